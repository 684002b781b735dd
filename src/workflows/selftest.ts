import { MmdeployError } from '../errors.ts';
import type { CheckResult } from '../serve/selftest/check.ts';
import { CHECKS, runChecks } from '../serve/selftest/run-checks.ts';
import type { Context } from './context.ts';
import type { ServeRequest, ServeTools } from './start-serving.ts';
import { startServing } from './start-serving.ts';

const DRAIN_MS = 5000;

/**
 * Serves on a free port of this machine, with a key of its own, and tries what `serve` promises: only
 * what is safe on a machine that others use. Throws `selftest.failed` when a promise does not hold.
 */
export async function selftestWorkflow(
  request: ServeRequest,
  ctx: Context,
  tools: ServeTools,
  onResult: (result: CheckResult) => void,
): Promise<readonly CheckResult[]> {
  const serving = await startServing(
    { ...request, host: '127.0.0.1', port: 0, ownKey: true, drainMs: DRAIN_MS },
    ctx,
    tools,
  );
  const results: CheckResult[] = [];
  let stopped: Promise<void> | null = null;
  const stop = () => (stopped ??= serving.stop());
  const { url, apiKey, enginePid } = serving;
  const server = { url, key: apiKey ?? '', enginePid, stop };
  try {
    results.push(...(await runChecks(server, CHECKS, onResult)));
  } finally {
    await stop();
  }
  const failed = results.filter(({ outcome }) => outcome === 'fail');
  if (failed.length === 0) return results;
  throw new MmdeployError(
    'selftest.failed',
    `${failed.length} of ${results.length} promises of \`serve\` do not hold here`,
    {
      details: failed.map(({ id, reason }) => `${id}: ${reason ?? ''}`),
      hints: ["look at the engine's words: `mmdeploy serve … --selftest --engine-log FILE`"],
    },
  );
}
