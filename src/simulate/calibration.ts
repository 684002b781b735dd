import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { DeploymentPlan, Verification } from '../contracts/plan.ts';
import { verifiedDeviceSchema } from '../contracts/plan.ts';
import { layoutArgs } from './plan-args.ts';

const SCHEMA = 'mmdeploy.calibration/v1';

const calibrationSchema = z.object({
  schema: z.literal(SCHEMA),
  measuredAt: z.iso.datetime(),
  devices: z.array(verifiedDeviceSchema),
});
export type Calibration = z.output<typeof calibrationSchema>;

type Planned = Pick<DeploymentPlan, 'files' | 'machine' | 'engine'>;

/**
 * Where the measurement of just this is kept: the files as they are, the machine, the engine's build and
 * every setting and share of the layers that memory depends on.
 */
export async function calibrationFile(
  stateFolder: string,
  engine: Verification['engine'],
  plan: Planned & Pick<DeploymentPlan, 'memory'>,
): Promise<string> {
  const stamp = await planStamp(engine, plan);
  // Cards share the layers by what is free on them, which no argument tells.
  const shares = plan.memory.devices.map(({ id, items }) => [
    id,
    items.find(({ part }) => part === 'weights')?.bytes ?? 0,
  ]);
  return join(stateFolder, 'calibrations', `${digestOf([...stamp, shares])}.json`);
}

/** What the memory of a plan's engine depends on: build, cards, machine, the files as they are, settings. */
export async function planStamp(
  engine: Verification['engine'],
  { files, machine, engine: planned }: Planned,
): Promise<readonly unknown[]> {
  const named = [files.model, files.mmproj].flatMap((file) => (file === null ? [] : [file.path]));
  const stamps = await Promise.all(named.map(stampOf));
  return [
    { path: engine.path, build: engine.build },
    machine.gpus.map(({ name, uuid, driverVersion }) => [name, uuid, driverVersion]),
    [machine.cpu.model, machine.memory.totalBytes],
    stamps,
    layoutArgs(planned?.args ?? []),
  ];
}

/** A file name for a stamp. */
export function digestOf(stamp: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(stamp)).digest('hex').slice(0, 32);
}

/** A file that was replaced has another length or another time. */
async function stampOf(path: string | null) {
  if (path === null) return null;
  try {
    const { size, mtimeMs } = await stat(path);
    return { path, size, mtimeMs };
  } catch {
    return null;
  }
}

/** What was measured; null where nothing was, or by another version. */
export async function readCalibration(file: string): Promise<Calibration | null> {
  try {
    return calibrationSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return null;
  }
}

/** Keeps what was measured, beside what it was measured with. Rejects where the folder is read-only. */
export async function writeCalibration(
  file: string,
  measuredAt: Date,
  { model, settings, machine }: Pick<DeploymentPlan, 'model' | 'settings' | 'machine'>,
  verification: Omit<Verification, 'calibrationFile'>,
): Promise<void> {
  const gpus = machine.gpus.map(({ name, driverVersion }) => ({ name, driverVersion }));
  const document = { schema: SCHEMA, measuredAt: measuredAt.toISOString(), model: model.id };
  await mkdir(join(file, '..'), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  const text = JSON.stringify({ ...document, gpus, settings, ...verification }, null, 2);
  await writeFile(temporary, `${text}\n`);
  await rename(temporary, file);
}
