import { join } from 'node:path';
import { folders } from '../../src/process/folders.ts';
import { runCommand } from '../../src/process/run.ts';
import type { Context } from '../../src/workflows/context.ts';
import type { ServeRequest } from '../../src/workflows/start-serving.ts';
import { PIPELINE } from './serve-engine.ts';
import { fakeEngine, temporaryFolder } from './serve-supervisor.ts';

export type TestContext = {
  readonly ctx: Context;
  readonly notices: string[];
  /** What Ctrl-C does. */
  readonly interrupt: () => void;
};

/** A context in a folder of its own, whose notices are kept. */
export function serveContext(env: Readonly<Record<string, string>> = {}): TestContext {
  const folder = temporaryFolder();
  const notices: string[] = [];
  const interruption = new AbortController();
  const ownEnv = { ...process.env, HOME: folder, XDG_STATE_HOME: join(folder, 'state'), ...env };
  return {
    notices,
    interrupt: () => interruption.abort(),
    ctx: {
      env: ownEnv,
      cwd: folder,
      platform: process.platform,
      folders: folders(ownEnv),
      run: runCommand,
      stdin: null,
      now: () => new Date(),
      signal: interruption.signal,
      notice: (line) => notices.push(line),
      trace: () => undefined,
      progress: () => undefined,
    },
  };
}

/** A request to serve a fake on any free port. */
export function serveRequest(fake: string, overrides: Partial<ServeRequest> = {}): ServeRequest {
  return {
    argv: [],
    log: { file: null, level: 'info' },
    media: { cacheDir: temporaryFolder(), maxBytes: 1_000_000, engineReadsFiles: true },
    enginePath: fakeEngine(fake),
    modelId: 'fake',
    host: '127.0.0.1',
    port: 0,
    apiKeyFile: null,
    corsOrigins: [],
    imageEngine: null,
    engineLog: null,
    readyTimeoutMs: 10_000,
    drainMs: 5000,
    pipeline: PIPELINE,
    command: null,
    ...overrides,
  };
}
