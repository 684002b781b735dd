import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { deviceEnvironmentKey } from './environment.ts';
import type { EngineProbe, ProbeDeps } from './probe.ts';

const FORMAT = 1;
/** A driver can be installed or die without touching the engine's files: devices are asked again. */
const DEVICES_MAX_AGE_MS = 10 * 60 * 1000;

const entrySchema = z.object({
  format: z.literal(FORMAT),
  stamp: z.string(),
  probedAtMs: z.number(),
  probe: z.object({
    kind: z.literal('engine'),
    path: z.string(),
    version: z.string().nullable(),
    build: z.number().nullable(),
    devices: z.array(
      z.object({ id: z.string(), name: z.string(), totalMib: z.number().nullable() }),
    ),
    flags: z.array(z.string()),
  }),
});

type Identity = { readonly path: string; readonly stamp: string };

/** The kept probe of this very file, at most ten minutes old; null when there is none. */
export async function readProbe(identity: Identity, deps: ProbeDeps): Promise<EngineProbe | null> {
  if (deps.cacheFolder === null) return null;
  try {
    const text = await readFile(fileOf(identity, deps, deps.cacheFolder), 'utf8');
    const entry = entrySchema.parse(JSON.parse(text));
    const ageMs = deps.now().getTime() - entry.probedAtMs;
    if (entry.stamp !== identity.stamp || entry.probe.path !== identity.path) return null;
    return ageMs >= 0 && ageMs <= DEVICES_MAX_AGE_MS ? entry.probe : null;
  } catch {
    return null;
  }
}

/** Keeps a probe. A cache folder that cannot be written costs time, not the command. */
export async function writeProbe(
  identity: Identity,
  probe: EngineProbe,
  deps: ProbeDeps,
): Promise<void> {
  if (deps.cacheFolder === null) return;
  const file = fileOf(identity, deps, deps.cacheFolder);
  const probedAtMs = deps.now().getTime();
  const temporary = `${file}.${process.pid}`;
  try {
    await mkdir(join(deps.cacheFolder, 'engine-probes'), { recursive: true });
    const entry = { format: FORMAT, stamp: identity.stamp, probedAtMs, probe };
    await writeFile(temporary, JSON.stringify(entry));
    await rename(temporary, file);
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

function fileOf(identity: Identity, deps: ProbeDeps, cacheFolder: string): string {
  const key = `${identity.path}\n${deviceEnvironmentKey(deps.env)}`;
  const name = createHash('sha256').update(key).digest('hex').slice(0, 24);
  return join(cacheFolder, 'engine-probes', `${name}.json`);
}
