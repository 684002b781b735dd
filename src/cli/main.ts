import { EXIT_CODES } from '../errors.ts';
import type { Io } from './io.ts';
import { run } from './program.ts';

// `mmdeploy … | head` closes our stdout early: that is the reader's right, not an error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const interruption = new AbortController();
const insistence = new AbortController();
let interruptions = 0;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    interruptions += 1;
    interruption.abort(name);
    if (interruptions > 1) insistence.abort(name);
    // Whoever asks a third time gets it: pending work and its output are given up.
    if (interruptions > 2) process.kill(process.pid, 'SIGKILL');
  });
}

/** Node leaves `isTTY` undefined on anything but a terminal, whatever its types say. */
const isTerminal = (stream: { readonly isTTY?: boolean }): boolean => stream.isTTY ?? false;

const io: Io = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  stdoutIsTty: isTerminal(process.stdout),
  stderrIsTty: isTerminal(process.stderr),
  stdinIsTty: isTerminal(process.stdin),
  stdin: () => process.stdin,
  columns: process.stdout.isTTY ? process.stdout.columns : 80,
  env: process.env,
  cwd: process.cwd(),
  platform: process.platform,
  now: () => new Date(),
  signal: interruption.signal,
  force: insistence.signal,
};

process.exitCode = EXIT_CODES.failure.code;
process.exitCode = await run(process.argv.slice(2), io);
