import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'undici';
import {
  NOTHING_SEEN,
  slotsSample,
  stuckReason,
  watchOn,
  type ProgressSample,
  type WatchLimits,
} from '../progress.ts';

const MOST_OFTEN_MS = 20;
const LEAST_OFTEN_MS = 5000;
const SAMPLES_PER_LIMIT = 5;

/** How often to look, so that none of `limitsMs` is missed by much: 20 ms to 5 s. */
export function rhythmOf(limitsMs: readonly number[]): number {
  const wanted = Math.min(...limitsMs) / SAMPLES_PER_LIMIT;
  return Math.min(LEAST_OFTEN_MS, Math.max(MOST_OFTEN_MS, wanted));
}

/**
 * Looks at a ready engine every `everyMs` until `signal` is aborted, and hands each sample to
 * `onSample`. When the engine gets nowhere it says why, once, and ends. Never throws.
 */
export async function watchEngine(
  client: Pool,
  limits: WatchLimits,
  everyMs: number,
  signal: AbortSignal,
  onSample: (sample: ProgressSample) => void,
): Promise<string | null> {
  let watch = NOTHING_SEEN;
  let lastAt = performance.now();
  for (;;) {
    await delay(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return null;
    const sample = await takeSample(client, everyMs, signal);
    // Aborted by someone else, who may well have ended the engine.
    if (isAborted(signal)) return null;
    const now = performance.now();
    // One sample takes two unanswered questions at most; what is longer was a pause of ours.
    watch = watchOn(watch, sample, Math.min(now - lastAt, 4 * everyMs));
    lastAt = now;
    onSample(sample);
    const reason = stuckReason(watch, limits);
    if (reason !== null) return reason;
  }
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

async function takeSample(
  client: Pool,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProgressSample> {
  const slots = await ask(client, '/slots', timeoutMs, signal);
  if (slots?.status === 200) return slotsSample(slots.json);
  if (slots !== null) return { kind: 'untold' };
  const health = await ask(client, '/health', timeoutMs, signal);
  return { kind: health === null ? 'silent' : 'occupied' };
}

async function ask(
  client: Pool,
  path: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly json: unknown } | null> {
  try {
    const { statusCode, body } = await client.request({
      path,
      method: 'GET',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const text = await body.text();
    return { status: statusCode, json: parsed(text) };
  } catch {
    return null;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
