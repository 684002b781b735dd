import { join } from 'node:path';
import type { EngineFound } from '../contracts/machine.ts';
import type { ModelDescription } from '../contracts/model.ts';
import { writeSparsePair } from '../demo/sparse-pair.ts';
import type { RunCommand } from '../process/run.ts';
import { chooseOrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { KEPT, keptFile, readKept, writeKept } from './answer-cache.ts';
import { engineLayout } from './engine-layout.ts';
import type { EngineLayout } from './layout-log.ts';
import { makeRunFolder } from './run-folder.ts';

export type Simulation = {
  /** The model in the formats that are planned. */
  readonly model: Pick<ModelDescription, 'id' | 'name' | 'text' | 'encoder'>;
  /** Files that are there; null has stand-ins with the same dimensions written. */
  readonly files: { readonly model: string; readonly mmproj: string | null } | null;
  readonly gpus: number;
  /** llama-server's, without files, address and fitting. */
  readonly args: readonly string[];
};

export type SimulateDeps = {
  readonly engine: Pick<EngineFound, 'path' | 'build' | 'version' | 'devices'>;
  readonly rpcServer: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly run: RunCommand;
  readonly platform: NodeJS.Platform;
  /** Keeps layouts, and files while they are needed. */
  readonly cacheFolder: string;
  readonly signal: AbortSignal;
};

const TIMEOUT_MS = 60_000;

/**
 * llama.cpp's own memory layout of a model, without its weights and without a GPU. The same question to
 * the same engine is answered from the cache. Throws as `engineLayout`.
 */
export async function simulate(simulation: Simulation, deps: SimulateDeps): Promise<EngineLayout> {
  const { model, gpus, args } = simulation;
  const { path, build, version, devices } = deps.engine;
  const folder = join(deps.cacheFolder, 'simulations');
  const key = { path, build, version, text: model.text, encoder: model.encoder, gpus, args };
  const kept = keptFile(folder, key);
  const known = await readKept(kept, KEPT.layout);
  if (known !== null) return known;
  const [guard, runFolder] = await Promise.all([
    chooseOrphanGuard(deps.run, deps.platform),
    makeRunFolder(folder),
  ]);
  const files =
    simulation.files === null
      ? writeSparsePair(model, runFolder.path)
      : Promise.resolve(simulation.files);
  try {
    const layout = await engineLayout({
      llamaServer: path,
      rpcServer: deps.rpcServer,
      gpus,
      hasDevices: devices.length > 0,
      args: async () => [...fileArgs(await files), ...args],
      env: deps.env,
      guard,
      signal: deps.signal,
      timeoutMs: TIMEOUT_MS,
    });
    await writeKept(kept, layout);
    return layout;
  } finally {
    // A file that is still being written would bring the folder back.
    await files.catch(() => undefined);
    await runFolder.remove();
  }
}

function fileArgs(files: { readonly model: string | null; readonly mmproj: string | null }) {
  return [
    ...(files.model === null ? [] : ['--model', files.model]),
    ...(files.mmproj === null ? [] : ['--mmproj', files.mmproj]),
  ];
}
