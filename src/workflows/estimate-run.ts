import type { EstimateInput } from '../contracts/estimate.ts';
import { inputCounter } from '../estimate/count.ts';
import type { CountedInput, CountedModel } from '../estimate/count.ts';
import type { DedupeState } from '../estimate/dedupe.ts';
import { DedupeTally } from '../estimate/dedupe.ts';
import type { Entry } from '../estimate/entry.ts';
import type { ExactSample } from '../estimate/exact-sample.ts';
import type { InputsState } from '../estimate/inputs-tally.ts';
import { InputsTally } from '../estimate/inputs-tally.ts';
import { Rehearsal } from '../estimate/rehearsal.ts';
import { KeyDigest } from '../estimate/shard.ts';
import { entriesOf } from '../estimate/sources.ts';
import type { SourceOptions } from '../estimate/sources.ts';
import { ModelTally } from '../estimate/tally.ts';
import type { Place, TallyState } from '../estimate/tally.ts';
import { templateCounter } from '../estimate/template-tokens.ts';
import type { TokenSettings } from '../tokens/settings.ts';

/** All that was counted, before any money: what shares of a job are joined from. */
export type Counted = {
  readonly inputs: InputsState;
  /** In the order of the models. */
  readonly tallies: readonly TallyState[];
  /** Null where duplicates were not looked for. */
  readonly dedupe: DedupeState | null;
  /** Of everything that was listed, other shares included. */
  readonly keys: string;
};

export type RunOptions = {
  readonly settings: TokenSettings;
  /** Keep a row of every input, however many. */
  readonly items: boolean;
  /** Input tokens above which a request costs more, for each model. */
  readonly longAbove: readonly (number | null)[];
  readonly sources: SourceOptions;
  /** Gets every input, for the engine to be asked about some. */
  readonly sample: ExactSample | null;
  /** Called after each batch with the number of inputs done. */
  readonly progress: (done: number) => void;
};

/** Reads and counts all inputs, a batch at a time; memory does not grow with their number. */
export async function countAll(
  models: readonly CountedModel[],
  options: RunOptions,
): Promise<Counted> {
  const { sources } = options;
  const keys = new KeyDigest();
  const sums = new Sums(models, options);
  const rehearsal = new Rehearsal(models, options.settings);
  let done = 0;
  for await (const batch of rehearsal.rehearsed(entriesOf(sources, keys))) {
    for (const entry of batch) sums.add(entry);
    done += batch.length;
    options.progress(done);
  }
  return { ...sums.state(), keys: keys.toString() };
}

class Sums {
  readonly #inputs = new InputsTally();
  readonly #dedupe: DedupeTally | null;
  readonly #sample: ExactSample | null;
  readonly #models: readonly {
    readonly count: (input: EstimateInput) => CountedInput;
    readonly tally: ModelTally;
  }[];

  constructor(models: readonly CountedModel[], options: RunOptions) {
    this.#sample = options.sample;
    this.#dedupe = options.sources.dedupe ? new DedupeTally() : null;
    this.#models = models.map((model, at) => ({
      count: inputCounter(model, options.settings),
      tally: new ModelTally({
        model,
        allItems: options.items,
        longAbove: options.longAbove[at] ?? null,
        template: templateCounter(model),
      }),
    }));
  }

  add(entry: Entry): void {
    switch (entry.kind) {
      case 'file': {
        this.#inputs.file();
        return;
      }
      case 'document': {
        this.#inputs.document();
        return;
      }
      case 'hidden': {
        this.#inputs.hidden();
        return;
      }
      case 'unreadable': {
        this.#inputs.unreadable(entry.entry, entry.order);
        return;
      }
      case 'input': {
        this.#input(entry.input, entry.place, entry.digest);
        return;
      }
    }
  }

  #input(input: EstimateInput, place: Place, digest: string | null): void {
    this.#inputs.input(input);
    this.#sample?.add(input);
    const counted = this.#models.map(({ count, tally }) => {
      const one = count(input);
      tally.add(one, place);
      return one;
    });
    if (this.#dedupe === null || digest === null) return;
    this.#dedupe.add(digest, input.count, () => counted.map(({ item }) => item.tokens ?? 0));
  }

  state(): Omit<Counted, 'keys'> {
    return {
      inputs: this.#inputs.state(),
      tallies: this.#models.map(({ tally }) => tally.state()),
      dedupe: this.#dedupe?.state() ?? null,
    };
  }
}
