import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { EngineLayout } from './layout-log.ts';
import type { EncoderBuffers } from './peak-log.ts';

const FORMAT = 2;

const bytes = z.number().int().nonnegative();
const rowSchema = z.object({ weights: bytes, kvCache: bytes, compute: bytes });

/** What is kept of an answer: the layout, or what the encoder holds at its largest image. */
export const KEPT = {
  layout: z.object({
    gpus: z.array(rowSchema),
    host: rowSchema,
    encoder: z.object({ gpu: z.number().int().nullable(), bytes, hostBytes: bytes }).nullable(),
  }) satisfies z.ZodType<EngineLayout>,
  peak: z.object({ device: bytes, host: bytes }) satisfies z.ZodType<EncoderBuffers>,
} as const;

/** Where the answer to just this question to this engine is kept. */
export function keptFile(folder: string, key: unknown): string {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex');
  return join(folder, `${digest.slice(0, 32)}.json`);
}

/** What is kept in `file`; null where nothing is, or nothing of this kind. */
export async function readKept<Answer>(
  file: string,
  answer: z.ZodType<Answer>,
): Promise<Answer | null> {
  try {
    const entry = z.object({ format: z.literal(FORMAT), answer });
    return entry.parse(JSON.parse(await readFile(file, 'utf8'))).answer;
  } catch {
    return null;
  }
}

/** Keeps an answer. A cache folder that cannot be written costs time, not the command. */
export async function writeKept(file: string, answer: unknown): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  try {
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(temporary, JSON.stringify({ format: FORMAT, answer }));
    await rename(temporary, file);
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
