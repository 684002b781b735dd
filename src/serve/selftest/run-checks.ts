import { messageOf } from '../../errors.ts';
import { asArray, fieldOf } from '../gateway/json.ts';
import type { Check, CheckResult, TestedServer } from './check.ts';
import { MEDIA_CHECKS } from './media-checks.ts';
import { REQUEST_CHECKS } from './request-checks.ts';

/** All checks, in the order in which they run: those that hurt the engine come last. */
export const CHECKS: readonly Check[] = [...MEDIA_CHECKS, ...REQUEST_CHECKS];

/** Runs the checks one after another; `onResult` hears each as soon as it is known. Never throws. */
export async function runChecks(
  server: TestedServer,
  checks: readonly Check[],
  onResult: (result: CheckResult) => void,
): Promise<readonly CheckResult[]> {
  const sees = await seesImages(server);
  const results: CheckResult[] = [];
  for (const check of checks) {
    const result = await runCheck(server, check, sees);
    results.push(result);
    onResult(result);
  }
  return results;
}

async function runCheck(
  server: TestedServer,
  { id, promise, needsImages, run }: Check,
  sees: boolean,
): Promise<CheckResult> {
  if (needsImages && !sees) {
    return { id, promise, outcome: 'skip', reason: 'the model takes no images', ms: 0 };
  }
  const startedAt = performance.now();
  const reason = await run(server).then(() => null, messageOf);
  const ms = Math.round(performance.now() - startedAt);
  return { id, promise, outcome: reason === null ? 'pass' : 'fail', reason, ms };
}

async function seesImages({ url, key }: TestedServer): Promise<boolean> {
  const headers = { authorization: `Bearer ${key}` };
  const response = await fetch(`${url}/v1/models`, { headers }).catch(() => null);
  const list: unknown = await response?.json().catch(() => null);
  const [model] = asArray(fieldOf(list, 'data'));
  return asArray(fieldOf(fieldOf(model, 'architecture'), 'input_modalities')).includes('image');
}
