import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Io } from '../../src/cli/io.ts';
import { run } from '../../src/cli/program.ts';

export type CliResult = { code: number; stdout: string; stderr: string };

/** Runs the whole program in this process, with a home of its own and no terminal. */
export async function mmdeploy(
  argv: readonly string[],
  options: Partial<Io> & { extraEnv?: Record<string, string> } = {},
): Promise<CliResult> {
  const { extraEnv, ...overrides } = options;
  let stdout = '';
  let stderr = '';
  const never = new AbortController().signal;
  const io: Io = {
    stdout: (text) => void (stdout += text),
    stderr: (text) => void (stderr += text),
    stdoutIsTty: false,
    stderrIsTty: false,
    stdinIsTty: false,
    stdin: () => Readable.from([]),
    columns: 80,
    env: { PATH: process.env['PATH'], HOME: freshHome(), ...extraEnv },
    cwd: process.cwd(),
    platform: process.platform,
    now: () => new Date('2026-11-22T00:00:00Z'),
    signal: never,
    force: never,
    ...overrides,
  };
  const code = await run(argv, io);
  return { code, stdout, stderr };
}

export function freshHome(): string {
  return mkdtempSync(join(tmpdir(), 'mmdeploy-home-'));
}
