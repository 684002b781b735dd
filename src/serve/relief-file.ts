import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Relief } from './relief.ts';

const SCHEMA = 'mmdeploy.relief/v1';

const reliefSchema = z.object({
  schema: z.literal(SCHEMA),
  /** When memory ran out. */
  at: z.iso.datetime(),
  model: z.string(),
  relief: z.object({
    encoderOnCpu: z.boolean(),
    imageMaxTokens: z.number().int().positive().nullable(),
    slots: z.number().int().positive().nullable(),
  }),
});
export type RememberedRelief = z.output<typeof reliefSchema>;

/** What an earlier run of just this had to give up; null where nothing, or another version wrote it. */
export async function readRelief(file: string): Promise<RememberedRelief | null> {
  try {
    return reliefSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return null;
  }
}

/** Replaces the file as a whole. Rejects where the folder is read-only or the disk full. */
export async function writeRelief(
  file: string,
  at: Date,
  model: string,
  relief: Relief,
): Promise<void> {
  const document: RememberedRelief = { schema: SCHEMA, at: at.toISOString(), model, relief };
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}`;
  try {
    await writeFile(temporary, `${JSON.stringify(document, null, 2)}\n`, { mode: 0o600 });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
