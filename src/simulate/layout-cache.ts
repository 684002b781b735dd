import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { EngineLayout } from './layout-log.ts';

const FORMAT = 1;

const bytes = z.number().int().nonnegative();
const rowSchema = z.object({ weights: bytes, kvCache: bytes, compute: bytes });
const entrySchema = z.object({
  format: z.literal(FORMAT),
  layout: z.object({
    gpus: z.array(rowSchema),
    host: rowSchema,
    encoder: z.object({ gpu: z.number().int().nullable(), bytes, hostBytes: bytes }).nullable(),
  }),
});

/** Where the layout of just this engine, model and settings is kept. */
export function layoutFile(folder: string, key: unknown): string {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex');
  return join(folder, `${digest.slice(0, 32)}.json`);
}

export async function readLayout(file: string): Promise<EngineLayout | null> {
  try {
    return entrySchema.parse(JSON.parse(await readFile(file, 'utf8'))).layout;
  } catch {
    return null;
  }
}

/** Keeps a layout. A cache folder that cannot be written costs time, not the command. */
export async function writeLayout(file: string, layout: EngineLayout): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  try {
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(temporary, JSON.stringify({ format: FORMAT, layout }));
    await rename(temporary, file);
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
