import { openSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { destination, pino } from 'pino';
import { MmdeployError, fileFault } from '../../errors.ts';
import { makeFolderSync } from '../../process/make-folder.ts';
import { MIB } from '../../units.ts';
import type { LogLevel } from './log-level.ts';
import { LineClock, RequestLines, type RequestLevel } from './request-lines.ts';

/** The file is set aside as `FILE.1` above this size, in place of the one before it. */
const ROTATE_ABOVE_BYTES = 64 * MIB;
/** Lines that wait for a slow or full disk; more are dropped rather than kept in memory. */
const MAX_WAITING_BYTES = 4 * MIB;
/** Lines are written together: a busy server makes one write of many, and none is held back for longer. */
const WRITE_ABOVE_BYTES = 16_000;
const WRITE_EVERY_MS = 250;

export type RequestLog = {
  /** A finished request; `atMs` is when, in milliseconds since 1970. The line may be written a little later. */
  readonly request: (level: RequestLevel, atMs: number, fields: object) => void;
  /** What happens now, beside the requests. */
  readonly event: (level: 'info' | 'warn' | 'error', fields: object, message: string) => void;
  /** Writes what still waits; what comes later is left out. */
  readonly close: () => Promise<void>;
};

/**
 * A log in JSON lines: one for each finished request, and what went wrong. `file` is a path (0600, made
 * with its folder), `-` for stderr, or null for none. Throws `input.invalid` for a file that cannot be
 * written; a disk that fills up later costs lines, never requests.
 */
export function openRequestLog(file: string | null, level: LogLevel): RequestLog {
  if (file === null || level === 'silent') {
    return { request: nothing, event: nothing, close: () => Promise.resolve() };
  }
  const stream = file === '-' ? stderrStream() : fileStream(file);
  const clock = new LineClock();
  const logger = pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: () => clock.field(),
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  const lines = new RequestLines(logger, clock);
  let closed: Promise<void> | null = null;
  return {
    request: (lineLevel, atMs, fields) => {
      if (closed === null) lines.add({ level: lineLevel, atMs, fields });
    },
    event: (eventLevel, fields, message) => {
      if (closed !== null) return;
      lines.flush();
      logger[eventLevel](fields, message);
    },
    close: () => {
      if (closed === null) lines.flush();
      return (closed ??= end(stream));
    },
  };
}

function nothing(): void {}

function end(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('close', resolve);
    stream.once('error', () => resolve());
    stream.end();
  });
}

type Stream = ReturnType<typeof destination>;

function stderrStream(): Stream {
  return quiet(destination({ dest: 2, sync: true }));
}

function fileStream(file: string): Stream {
  try {
    makeFolderSync(dirname(file));
    const stream = quiet(
      destination({
        // Opened here, so that a name that cannot be is told at once.
        dest: openSync(file, 'a', 0o600),
        append: true,
        mode: 0o600,
        sync: false,
        maxLength: MAX_WAITING_BYTES,
        minLength: WRITE_ABOVE_BYTES,
        periodicFlush: WRITE_EVERY_MS,
      }),
    );
    return rotating(stream, file);
  } catch (error) {
    throw new MmdeployError(
      'input.invalid',
      `cannot write the log \`${file}\`: ${fileFault(error)}`,
      {
        hints: ['name another file: `mmdeploy serve … --log FILE`, or `--log -` for stderr'],
        cause: error,
      },
    );
  }
}

/** A log that cannot be written must not end the server. */
function quiet(stream: Stream): Stream {
  return stream.on('error', () => undefined);
}

function rotating(stream: Stream, file: string): Stream {
  let written = 0;
  return stream.on('write', (bytes: number) => {
    written += bytes;
    if (written < ROTATE_ABOVE_BYTES) return;
    written = 0;
    try {
      renameSync(file, `${file}.1`);
    } catch {
      // Somebody else has moved it: a new file is what is wanted.
    }
    stream.reopen(file);
  });
}
