import { performance } from 'node:perf_hooks';
import { Histogram, type Registry } from 'prom-client';

const EVERY_MS = 500;
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/**
 * Adds how late timers run: a busy event loop holds up every stream at once. prom-client's own measure
 * wakes an idle server a hundred times a second, each time at the cost of a thread that encodes on the CPU,
 * and counts the 10 ms between two looks as lag.
 */
export function measureLoopDelay(registry: Registry, prefix: string): void {
  const delays = new Histogram({
    name: `${prefix}event_loop_delay_seconds`,
    help: 'How late a timer of the event loop ran, looked at twice a second.',
    buckets: SECONDS,
    registers: [registry],
  });
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    delays.observe(Math.max(0, now - last - EVERY_MS) / 1000);
    last = now;
  }, EVERY_MS).unref();
}
