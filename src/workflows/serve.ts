import { MmdeployError } from '../errors.ts';
import { runClientCommand } from '../serve/client-command.ts';
import type { Context } from './context.ts';
import { seconds } from './serve-notices.ts';

import { startServing, type ServeRequest, type ServeTools, type Serving } from './start-serving.ts';

/**
 * Serves until `ctx.signal` or until `request.command` has ended. Exit code 0, or the command's own.
 * Throws `engine.start` when the engine does not come up and `engine.crashed` when it will not stay.
 */
export async function serveWorkflow(
  request: ServeRequest,
  ctx: Context,
  tools: ServeTools,
): Promise<{ readonly exitCode: number }> {
  let serving: Serving;
  try {
    serving = await startServing(request, ctx, tools);
  } catch (error) {
    // A server that is told to stop while it loads has done what it was told; a command has not run.
    const stopped = error instanceof MmdeployError && error.code === 'interrupted';
    if (stopped && request.command === null) return { exitCode: 0 };
    throw error;
  }
  try {
    return { exitCode: await untilDone(request, ctx, tools, serving) };
  } finally {
    ctx.notice(`stopping  requests may finish within ${seconds(request.drainMs)} s`);
    await serving.stop();
    ctx.notice('stopped');
  }
}

/** Ends with `ctx.signal`, with the command, or with an engine that gave up; returns the exit code. */
async function untilDone(
  request: ServeRequest,
  ctx: Context,
  tools: ServeTools,
  serving: Serving,
): Promise<number> {
  const engineGone = new AbortController();
  const failed = serving.gaveUp.then((error) => {
    engineGone.abort();
    throw error;
  });
  failed.catch(() => undefined);
  if (request.command === null) {
    await Promise.race([failed, aborted(ctx.signal)]);
    return 0;
  }
  const env = {
    ...ctx.env,
    OPENAI_BASE_URL: `${serving.url}/v1`,
    // OpenAI's clients refuse to start without one.
    OPENAI_API_KEY: serving.apiKey ?? 'none',
  };
  const stop = AbortSignal.any([ctx.signal, engineGone.signal]);
  const force = tools.force ?? new AbortController().signal;
  const code = await runClientCommand({ argv: request.command, env, cwd: ctx.cwd }, stop, force);
  if (engineGone.signal.aborted) await failed;
  return code;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
