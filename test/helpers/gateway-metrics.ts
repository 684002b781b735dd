import { createMetrics } from '../../src/serve/observe/metrics.ts';
import { watch } from '../../src/serve/observe/watched.ts';

/** What a server that has all parts answers at `/metrics`. */
export async function everyGatewayMetric(): Promise<string> {
  const { registry } = createMetrics('1.2.3', () => undefined);
  const none = { bytes: 0, entries: 0, evicted: 0, lost: 0 };
  watch(registry, {
    engine: { engine: null, life: 1 },
    store: () => ({ ...none, written: { disk: 0, memory: 0, inline: 0 } }),
    schedule: () => ({
      queued: 0,
      busySlots: 0,
      slots: 1,
      encoding: false,
      encodes: 0,
      hits: 0,
      missedHits: 0,
      refused: 0,
      slotFiles: 0,
      slotFileBytes: 0,
    }),
    gpus: () => Promise.resolve([]),
  });
  return registry.metrics();
}
