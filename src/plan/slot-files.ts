import type { Candidate } from '../contracts/plan.ts';

/**
 * Bytes of KV cache for each token of a slot, by the plan; null where it plans none. Exact where every
 * layer keeps the whole context; sliding and recurrent layers keep less of a short prompt, or more.
 */
export function kvBytesPerToken({
  memory,
  settings,
}: Pick<Candidate, 'memory' | 'settings'>): number | null {
  if (settings === null || settings.ctxSize === 0) return null;
  let bytes = 0;
  for (const { items } of memory.devices) {
    for (const item of items) if (item.part === 'kv-cache') bytes += item.bytes;
  }
  return bytes === 0 ? null : bytes / settings.ctxSize;
}
