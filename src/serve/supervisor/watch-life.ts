import { performance } from 'node:perf_hooks';
import type { Pool } from 'undici';
import type { EngineProcess } from './engine-process.ts';
import { DEFAULT_WATCH, type SupervisorOptions } from './options.ts';
import { rhythmOf, watchEngine } from './watchdog.ts';

/** An engine that outlived its lack of memory may finish what it runs, for so long. */
const RELIEF_PATIENCE_MS = 30_000;

/** When somebody last asked, or the engine was last seen at work. */
export class LastUse {
  #at = performance.now();

  touch(): void {
    this.#at = performance.now();
  }

  get agoMs(): number {
    return performance.now() - this.#at;
  }
}

/** What a running engine is found to be; told again at each look while it lasts, `stuck` once. */
export type Finding =
  | { readonly kind: 'stuck'; readonly reason: string }
  /** Its memory ran out, and it has nothing to do or was given time enough to finish it. */
  | { readonly kind: 'short-of-memory' }
  | { readonly kind: 'unused'; readonly afterMs: number };

/** Looks at a ready engine until its process is gone, it is stuck, or `stopping` is aborted. Never throws. */
export async function watchLife(
  engine: EngineProcess,
  client: Pool,
  { watch = DEFAULT_WATCH, idleUnloadMs = null }: SupervisorOptions,
  lastUse: LastUse,
  stopping: AbortSignal,
  onFinding: (finding: Finding) => void,
): Promise<void> {
  const over = new AbortController();
  void engine.exited.then(() => over.abort());
  const everyMs = rhythmOf([watch.stallMs, watch.silenceMs, idleUnloadMs ?? Infinity]);
  const signal = AbortSignal.any([over.signal, stopping]);
  let lackingSince: number | null = null;
  const reason = await watchEngine(client, watch, everyMs, signal, (sample) => {
    const now = performance.now();
    const idle = sample.kind === 'slots' && !sample.busy;
    if (!idle) lastUse.touch();
    if (engine.outOfMemory() !== null) lackingSince ??= now;
    if (lackingSince !== null && (idle || now - lackingSince > RELIEF_PATIENCE_MS)) {
      onFinding({ kind: 'short-of-memory' });
    } else if (idle && idleUnloadMs !== null && lastUse.agoMs >= idleUnloadMs) {
      onFinding({ kind: 'unused', afterMs: idleUnloadMs });
    }
  });
  if (reason !== null && engine.end() === null) onFinding({ kind: 'stuck', reason });
}
