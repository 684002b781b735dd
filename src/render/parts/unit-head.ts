import { dirname } from 'node:path/posix';
import type { Deployment } from '../types.ts';
import { hostFiles } from './host.ts';
import type { Section, Setting } from './unit.ts';
import { isUnitPath, unitPath, unitPathWord, unitProse } from './unit.ts';

const STARTS = 5;
export const RESTART_SECONDS = 5;

/** Units that a service has started before it, and those that it only waits for where they start anyhow. */
export type Before = { readonly wants?: readonly string[]; readonly after?: readonly string[] };

/** `[Unit]` of a service: what it waits for, and when it is not started again. */
export function unitHead(deployment: Deployment, { wants = [], after = [] }: Before = {}): Section {
  const { plan, startSeconds, files, links } = deployment;
  const places = [...files.map(({ folder }) => folder), ...links.map(({ real }) => dirname(real))];
  const folders = [...new Set(places)].map(unitPathWord);
  const started = ['network-online.target', ...wants];
  const assertable = hostFiles(deployment).filter(({ path }) => isUnitPath(path));
  return {
    name: 'Unit',
    settings: [
      ['Description', unitProse(`${plan.model.name} (mmdeploy)`)],
      ['Wants', started.join(' ')],
      ['After', [...started, ...after].join(' ')],
      ...(files.length === 0 ? [] : modelIsThere(folders, assertable)),
      `Given up after ${STARTS} starts, each as long as it may take.`,
      ['StartLimitIntervalSec', STARTS * (startSeconds + 2 * RESTART_SECONDS)],
      ['StartLimitBurst', STARTS],
    ],
  };
}

function modelIsThere(
  folders: readonly string[],
  files: readonly { readonly path: string }[],
): readonly Setting[] {
  return [
    ['RequiresMountsFor', folders.join(' ')],
    'A file that is missing is no reason to try again.',
    ...files.map(({ path }): Setting => ['AssertPathExists', unitPath(path)]),
  ];
}
