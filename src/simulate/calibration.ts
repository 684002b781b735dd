import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeploymentPlan, Verification } from '../contracts/plan.ts';

const SCHEMA = 'mmdeploy.calibration/v1';

/** Where the measurement of this engine, these devices and this model is kept. */
export function calibrationFile(
  stateFolder: string,
  engine: Verification['engine'],
  devices: readonly string[],
  model: unknown,
): string {
  const key = JSON.stringify([engine, devices, model]);
  const digest = createHash('sha256').update(key).digest('hex');
  return join(stateFolder, 'calibrations', `${digest.slice(0, 32)}.json`);
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
