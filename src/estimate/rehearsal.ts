import { countWrapper } from '../tokens/text/chat.ts';
import type { TokenSettings } from '../tokens/settings.ts';
import { MIB } from '../units.ts';
import type { CountedModel, InputCounter } from './count.ts';
import { inputCounter } from './count.ts';
import type { Entry } from './entry.ts';
import { ModelTally } from './tally.ts';
import { templateCounter } from './template-tokens.ts';

/** What is asked about together: enough that starting a program costs little, and little to hold. */
const MOST_CHARACTERS = MIB;
const MOST_ENTRIES = 4096;

type Part = {
  readonly count: InputCounter;
  readonly tally: ModelTally;
  readonly settle: () => Promise<void>;
};

/**
 * Goes through entries before they are counted, for models whose text a program outside counts: what the
 * sums will ask for, the prompts of whole requests included, is then known. It does just what the sums do,
 * so that requests end at the same entries.
 */
export class Rehearsal {
  readonly #parts: readonly Part[];

  constructor(models: readonly CountedModel[], settings: TokenSettings) {
    this.#parts = models.flatMap((model) => {
      const ahead = model.vocabulary?.ahead;
      if (ahead === undefined) return [];
      const rehearsed = { ...model, vocabulary: ahead.rehearsal };
      const template = templateCounter(rehearsed);
      const options = { model: rehearsed, allItems: false, longAbove: null, template };
      const count = inputCounter(rehearsed, settings);
      return [{ count, tally: new ModelTally(options), settle: ahead.settle }];
    });
  }

  /** The same entries, several batches at a time, once their texts are known. Throws what counts them throws. */
  async *rehearsed(batches: AsyncIterable<readonly Entry[]>): AsyncGenerator<readonly Entry[]> {
    if (this.#parts.length === 0) {
      yield* batches;
      return;
    }
    for await (const entries of gathered(batches)) {
      for (const entry of entries) if (entry.kind === 'input') this.#input(entry);
      await this.#settle();
      yield entries;
    }
    // The last request ends with the list.
    for (const { tally } of this.#parts) tally.state();
    await this.#settle();
  }

  #input({ input, place }: Extract<Entry, { kind: 'input' }>): void {
    for (const { count, tally } of this.#parts) tally.add(count(input), place);
  }

  async #settle(): Promise<void> {
    for (const { settle } of this.#parts) await settle();
  }
}

async function* gathered(
  batches: AsyncIterable<readonly Entry[]>,
): AsyncGenerator<readonly Entry[]> {
  let entries: Entry[] = [];
  let characters = 0;
  for await (const batch of batches) {
    for (const entry of batch) {
      entries.push(entry);
      characters += entry.kind === 'input' ? (entry.input.text?.length ?? 0) : 0;
      if (entries.length < MOST_ENTRIES && characters < MOST_CHARACTERS) continue;
      yield entries;
      entries = [];
      characters = 0;
    }
  }
  if (entries.length > 0) yield entries;
}

/** The same done twice where a program counts the text of `model`: once to learn what it will be asked. */
export async function countedAhead<Result>(
  model: CountedModel,
  use: (model: CountedModel) => Result,
): Promise<Result> {
  const ahead = model.vocabulary?.ahead;
  if (ahead === undefined) return use(model);
  use({ ...model, vocabulary: ahead.rehearsal });
  await ahead.settle();
  return use(model);
}

/** What stands around media is asked for again and again, long after its batch: it is kept. */
export async function knowWrappers({
  vocabulary,
  description,
  engine,
}: CountedModel): Promise<void> {
  const ahead = vocabulary?.ahead;
  if (ahead === undefined) return;
  for (const use of [description.imageTokens[engine], description.audioTokens[engine]]) {
    for (const text of [use?.wrapper.begin ?? '', use?.wrapper.end ?? '']) {
      countWrapper(text, ahead.rehearsal);
    }
  }
  await ahead.settle({ keep: true });
}
