import { folders } from '../process/folders.ts';
import { runCommand } from '../process/run.ts';
import type { Context } from './context.ts';

/** A context for programs that call the workflows: this process, no output, no interruption. */
export function createContext(overrides: Partial<Context> = {}): Context {
  const env = overrides.env ?? process.env;
  const platform = overrides.platform ?? process.platform;
  return {
    env,
    platform,
    cwd: process.cwd(),
    folders: folders(env, platform),
    run: runCommand,
    stdin: (process.stdin as { isTTY?: boolean }).isTTY === true ? null : () => process.stdin,
    now: () => new Date(),
    signal: new AbortController().signal,
    notice: () => undefined,
    trace: () => undefined,
    progress: () => undefined,
    ...overrides,
  };
}
