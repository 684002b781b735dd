import type { Dedupe } from '../contracts/estimate.ts';

/** Distinct contents that are told apart; of further ones only those already known are found again. */
const MAX_DISTINCT = 1_000_000;

/** One content: how often it came, and what it costs each model each time. */
type Known = { times: number; readonly tokens: readonly number[] };

/** Contents by a digest; what one machine saw can be joined with what others saw. */
export type DedupeState = {
  readonly contents: readonly (readonly [string, number, readonly number[]])[];
  /** Contents that were not told apart, because there were too many. */
  readonly untold: number;
};

/** Finds media that come several times, by a digest of their content. */
export class DedupeTally {
  readonly #known = new Map<string, Known>();
  #untold = 0;

  /** `tokens`: of one of them, for each model; 0 where a model does not take it. */
  add(digest: string, times: number, tokens: () => readonly number[]): void {
    const known = this.#known.get(digest);
    if (known !== undefined) known.times += times;
    else if (this.#known.size < MAX_DISTINCT) this.#known.set(digest, { times, tokens: tokens() });
    else this.#untold += times;
  }

  state(): DedupeState {
    return {
      contents: [...this.#known].map(([digest, { times, tokens }]) => [digest, times, tokens]),
      untold: this.#untold,
    };
  }
}

export function mergeDedupe(parts: readonly DedupeState[]): DedupeState {
  const all = new DedupeTally();
  for (const { contents } of parts) {
    for (const [digest, times, tokens] of contents) all.add(digest, times, () => tokens);
  }
  const { contents, untold } = all.state();
  return { contents, untold: parts.reduce((sum, part) => sum + part.untold, untold) };
}

/** What a cache of encoded media would save: every time but the first. */
export function dedupeOf({ contents, untold }: DedupeState, models: number): Dedupe {
  const saved = Array.from({ length: models }, () => ({ tokens: 0, encodes: 0 }));
  let total = 0;
  for (const [, times, tokens] of contents) {
    total += times;
    tokens.forEach((each, model) => {
      const sums = saved[model];
      if (sums === undefined || each === 0) return;
      sums.tokens += (times - 1) * each;
      sums.encodes += times - 1;
    });
  }
  return {
    media: total + untold,
    distinct: contents.length,
    duplicates: total - contents.length,
    untold,
    saved,
  };
}
