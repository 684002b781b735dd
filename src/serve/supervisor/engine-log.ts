import { StringDecoder } from 'node:string_decoder';
import { openLogFile } from './log-file.ts';

const KEPT_LINES = 200;
const KEPT_LINE_CHARS = 2000;

export type EngineLog = {
  /** null where the file cannot be written: only the tail is kept then. */
  readonly path: string | null;
  readonly write: (chunk: Buffer) => void;
  /** The last `count` lines of this run, oldest first. */
  readonly tail: (count: number) => readonly string[];
  readonly close: () => void;
};

/**
 * Appends what the engine prints to `path` (see `openLogFile`), keeps its last lines and hands each
 * complete one to `onLine`. A full or read-only disk never stops the reading: an engine whose pipe is
 * not drained blocks in the middle of its start.
 */
export function openEngineLog(path: string, onLine: (line: string) => void): EngineLog {
  const file = openLogFile(path);
  const decoder = new StringDecoder('utf8');
  const lines: string[] = [];
  let partial = '';
  const keep = (line: string) => {
    lines.push(line.slice(0, KEPT_LINE_CHARS));
    if (lines.length > KEPT_LINES) lines.shift();
  };
  return {
    path: file === null ? null : path,
    write(chunk) {
      file?.append(chunk);
      const [first = '', ...rest] = decoder.write(chunk).split(/\r?\n/);
      const pieces = [partial + first, ...rest];
      partial = (pieces.pop() ?? '').slice(0, KEPT_LINE_CHARS);
      for (const line of pieces) {
        keep(line);
        onLine(line);
      }
    },
    tail: (count) => [...lines, ...(partial === '' ? [] : [partial])].slice(-count),
    close: () => file?.close(),
  };
}
