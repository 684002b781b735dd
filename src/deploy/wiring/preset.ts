import { basename } from 'node:path/posix';
import { engineArgs } from '../../render/parts/argv.ts';
import type { Deployment } from '../../render/types.ts';
import { unitEntries } from './unit-file.ts';

/** The router's own: where each of its engines listens, under which name, and when it starts. */
const ROUTERS = ['host', 'port', 'alias', 'load-on-startup'];

/**
 * The section of the plan's model in a preset, with what `[*]` says for all, against the plan's arguments.
 * Sections of other models are their operator's.
 */
export function presetFindings(text: string, deployment: Deployment): readonly string[] {
  const name = deployment.plan.model.id;
  const entries = unitEntries(text);
  if (!entries.some(({ section }) => section === name)) return [`there is no section [${name}]`];
  const found = new Map(
    ['*', name].flatMap((section) =>
      entries
        .filter((entry) => entry.section === section && !ROUTERS.includes(entry.key))
        .map(({ key, value }) => [key, placeless(key, value)] as const),
    ),
  );
  const planned = plannedKeys(deployment);
  const version = entries.find(({ section, key }) => section === '' && key === 'version')?.value;
  const missing = [...planned].filter(([key]) => !found.has(key));
  return [
    // The engine reads no other, and does not look.
    ...(version === '1' ? [] : [`the version of presets is 1, not ${version ?? 'left out'}`]),
    ...missing.map(([key, value]) => `\`${key} = ${value}\` of the plan is missing`),
    ...[...found].flatMap(([key, value]) => {
      const wanted = planned.get(key);
      if (wanted === undefined) return [`\`${key} = ${value}\` is not of the plan`];
      return wanted === value ? [] : [`\`${key} = ${value}\`: the plan has ${wanted}`];
    }),
  ];
}

function plannedKeys(deployment: Deployment): ReadonlyMap<string, string> {
  const args = engineArgs(deployment, { folderOf: () => '', host: 'HOST', port: 0 });
  const keys = new Map<string, string>();
  for (const [index, arg] of args.entries()) {
    if (!arg.startsWith('--')) continue;
    const next = args[index + 1];
    const key = arg.slice(2);
    if (ROUTERS.includes(key)) continue;
    keys.set(key, next === undefined || next.startsWith('--') ? 'true' : placeless(key, next));
  }
  return keys;
}

/** Folders are the place's. */
function placeless(key: string, value: string): string {
  return key === 'model' || key === 'mmproj' ? basename(value) : value;
}
