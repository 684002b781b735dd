/**
 * When a crashed engine is started again. The delay before the n-th retry of a crash loop is
 * min(10 s * 2^(n-1), 300 s), the schedule GPUStack uses for its llama.cpp instances; the first
 * restart is at once, since most crashes are one bad request and not a broken set-up.
 */
export type RestartPolicy = {
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** Crashes in a row, each without one completed request, after which the supervisor gives up. */
  readonly maxFruitlessCrashes: number;
};

export const DEFAULT_RESTART_POLICY: RestartPolicy = {
  baseDelayMs: 10_000,
  maxDelayMs: 300_000,
  maxFruitlessCrashes: 6,
};

export type Crash = {
  /** Requests that the engine completed between its last start and this crash. */
  readonly completedRequests: number;
  /** Uniform in [0, 1): spreads the restarts of many machines that fail together. */
  readonly jitter: number;
};

export type RestartDecision =
  | { readonly action: 'restart'; readonly delayMs: number; readonly fruitlessCrashes: number }
  | { readonly action: 'give-up'; readonly fruitlessCrashes: number };

/**
 * What to do after `crash`, when `fruitlessCrashes` crashes in a row went before it. An engine that
 * answered something since its last start has shown that it works: the count begins anew.
 */
export function decideRestart(
  fruitlessCrashes: number,
  crash: Crash,
  policy: RestartPolicy,
): RestartDecision {
  if (crash.completedRequests > 0) return { action: 'restart', delayMs: 0, fruitlessCrashes: 0 };
  const count = fruitlessCrashes + 1;
  if (count >= policy.maxFruitlessCrashes) return { action: 'give-up', fruitlessCrashes: count };
  return {
    action: 'restart',
    delayMs: count === 1 ? 0 : backOffMs(count - 1, crash.jitter, policy),
    fruitlessCrashes: count,
  };
}

/** Jitter only shortens (by up to a fifth), so the stated maximum is one. */
function backOffMs(retry: number, jitter: number, policy: RestartPolicy): number {
  const full = Math.min(policy.baseDelayMs * 2 ** (retry - 1), policy.maxDelayMs);
  return Math.round(full * (1 - jitter / 5));
}
