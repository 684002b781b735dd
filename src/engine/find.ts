import { realpath, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import type { UnusableEngine } from '../contracts/engine.ts';
import type { EngineFound } from '../contracts/machine.ts';
import { installedEngines } from './installed.ts';
import { probeEngine } from './probe.ts';
import type { ProbeDeps } from './probe.ts';

/** The environment variable that names a llama-server. */
const ENGINE_VARIABLE = 'MMDEPLOY_LLAMA_SERVER';

export type FindOptions = ProbeDeps & {
  /** `--llama-server FILE`; relative to `cwd`. */
  readonly flag?: string | null;
  readonly cwd: string;
  readonly dataFolder: string;
  /** Told of each candidate that is there but cannot be used. */
  readonly onUnusable?: (engine: UnusableEngine) => void;
};

/**
 * Every usable llama-server, in order of preference: the flag's, the environment variable's, those of
 * PATH, those that mmdeploy installed. The same file is listed once. Never throws.
 */
export async function findEngines(options: FindOptions): Promise<EngineFound[]> {
  const candidates = await distinct(await candidatesOf(options));
  const probes = await Promise.all(
    candidates.map(async ({ path, source }) => ({
      source,
      probe: await probeEngine(path, options),
    })),
  );
  const found: EngineFound[] = [];
  for (const { source, probe } of probes) {
    if (probe.kind === 'unusable') {
      options.onUnusable?.({ path: probe.path, source, reason: probe.reason });
      continue;
    }
    const { path, version, build, devices } = probe;
    found.push({ name: 'llama.cpp', path, version, build, devices: [...devices], source });
  }
  return found;
}

type Candidate = { readonly path: string; readonly source: EngineFound['source'] };

async function candidatesOf(options: FindOptions): Promise<Candidate[]> {
  const named = (text: string | null | undefined, source: Candidate['source']): Candidate[] =>
    text === null || text === undefined || text === ''
      ? []
      : [{ path: resolve(options.cwd, text), source }];
  const installed = await installedEngines(options.dataFolder);
  return [
    ...named(options.flag, 'flag'),
    ...named(options.env[ENGINE_VARIABLE], 'env'),
    ...(await onPath(options.env, options.platform)),
    ...installed.map(({ path }): Candidate => ({ path, source: 'managed' })),
  ];
}

/** Windows spells the variable `Path`; relative entries of PATH are skipped: they would follow cwd. */
async function onPath(env: FindOptions['env'], platform: NodeJS.Platform): Promise<Candidate[]> {
  const program = platform === 'win32' ? 'llama-server.exe' : 'llama-server';
  const folders = (env['PATH'] ?? env['Path'] ?? '').split(delimiter).filter(isAbsolute);
  const files = await Promise.all(
    folders.map(async (folder) => {
      const path = join(folder, program);
      const file = await stat(path).catch(() => null);
      return file?.isFile() === true ? path : null;
    }),
  );
  return files.filter((path) => path !== null).map((path) => ({ path, source: 'path' }));
}

async function distinct(candidates: readonly Candidate[]): Promise<Candidate[]> {
  const seen = new Set<string>();
  const kept: Candidate[] = [];
  for (const candidate of candidates) {
    const real = await realpath(candidate.path).catch(() => candidate.path);
    if (seen.has(real)) continue;
    seen.add(real);
    kept.push(candidate);
  }
  return kept;
}
