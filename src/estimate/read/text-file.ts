import { readFile } from 'node:fs/promises';
import { textInput } from '../describe-input.ts';
import type { ReadableFile, ReadResult } from './types.ts';
import { unreadable } from './types.ts';

const MAX_TEXT_BYTES = 64 * 1024 * 1024;

/** A text in full: only all of it tells what it costs. */
export async function readText(file: ReadableFile): Promise<ReadResult> {
  if (file.bytes > MAX_TEXT_BYTES) {
    return unreadable(file, `text of more than ${MAX_TEXT_BYTES / 1024 / 1024} MiB`);
  }
  const content = await readFile(file.absolute);
  try {
    return [textInput(file.path, new TextDecoder('utf-8', { fatal: true }).decode(content))];
  } catch {
    return unreadable(file, NOT_TEXT);
  }
}

export const NOT_TEXT = 'not UTF-8 text';
