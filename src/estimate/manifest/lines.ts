import { isUtf8 } from 'node:buffer';
import { LongLine } from './long-line.ts';

export type Line = {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  /** Why it cannot be read; `text` is empty then. */
  readonly problem: string | null;
};

export type LineOptions = {
  readonly separator: '\n' | '\0';
  /** A line is refused beyond this; of a JPEG or PNG in a data URI only the first MiB counts. */
  readonly maxLineBytes: number;
  /** Keep those whole as well. */
  readonly wholePictures: boolean;
};

/** Most bytes of one line, unless a caller says otherwise. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

const BOM = 0xfeff;
const CARRIAGE_RETURN = 0x0d;

/**
 * The lines of a stream that are not blank, one batch for each chunk that is read: never more of it is
 * held than one chunk and one line. Bytes that are no UTF-8 make their own line a problem, not the rest.
 */
export async function* lineBatches(
  source: AsyncIterable<Uint8Array>,
  { separator, maxLineBytes, wholePictures }: LineOptions,
): AsyncGenerator<readonly Line[]> {
  const end = separator.charCodeAt(0);
  const open = new LongLine({ maxBytes: maxLineBytes, wholePictures });
  let number = 1;
  for await (const bytes of source) {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const batch: Line[] = [];
    let start = 0;
    if (!open.empty) {
      const first = chunk.indexOf(end);
      open.push(first === -1 ? chunk : chunk.subarray(0, first));
      if (first === -1) continue;
      addLine(batch, number++, open.take(), separator);
      start = first + 1;
    }
    const last = chunk.lastIndexOf(end);
    if (last >= start) {
      number = addLines(batch, number, chunk.subarray(start, last + 1), separator);
      start = last + 1;
    }
    open.push(chunk.subarray(start));
    if (batch.length > 0) yield batch;
  }
  const batch: Line[] = [];
  if (!open.empty) addLine(batch, number, open.take(), separator);
  if (batch.length > 0) yield batch;
}

/** Adds the lines of `block`, which ends with a separator; returns the number of the line after it. */
function addLines(batch: Line[], first: number, block: Buffer, separator: string): number {
  let number = first;
  let start = 0;
  if (!isUtf8(block)) {
    const end = separator.charCodeAt(0);
    for (let at = block.indexOf(end); at !== -1; at = block.indexOf(end, start)) {
      addLine(batch, number++, block.subarray(start, at), separator);
      start = at + 1;
    }
    return number;
  }
  const text = block.toString('utf8');
  for (let at = text.indexOf(separator); at !== -1; at = text.indexOf(separator, start)) {
    addText(batch, number++, text.slice(start, at), separator);
    start = at + 1;
  }
  return number;
}

function addLine(batch: Line[], number: number, bytes: Buffer | null, separator: string): void {
  const problem = bytes === null ? 'longer than a line may be' : 'not UTF-8 text';
  if (bytes === null || !isUtf8(bytes)) batch.push({ number, text: '', problem });
  else addText(batch, number, bytes.toString('utf8'), separator);
}

function addText(batch: Line[], number: number, line: string, separator: string): void {
  let text = number === 1 && line.charCodeAt(0) === BOM ? line.slice(1) : line;
  if (separator === '\n' && text.charCodeAt(text.length - 1) === CARRIAGE_RETURN) {
    text = text.slice(0, -1);
  }
  if (text.trim() !== '') batch.push({ number, text, problem: null });
}
