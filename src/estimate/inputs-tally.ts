import type { SizeTallyState } from './size-tally.ts';
import { SizeTally, mergeSizes } from './size-tally.ts';
import type { Estimate, EstimateInput, UnreadableInput } from '../contracts/estimate.ts';

/** Unreadable inputs that a report names; all of them are counted. */
const NAMED_UNREADABLE = 1000;
/** Lengths are added up in whole microseconds, so that the sum does not depend on their order. */
const MICROSECONDS = 1e6;

type Named = { readonly value: UnreadableInput; readonly order: number };

/** What was read, as whole numbers and a short list; parts of a job add up to the whole. */
export type InputsState = {
  readonly files: number;
  readonly images: number;
  readonly audios: number;
  readonly audioMicroseconds: number;
  readonly videos: number;
  readonly videoMicroseconds: number;
  readonly documents: number;
  readonly textBytes: number;
  readonly hidden: number;
  readonly unreadableCount: number;
  readonly unreadable: readonly Named[];
  /** How many there are of which size: what advice is made of. */
  readonly sizes: SizeTallyState;
};

type Sums = { -readonly [K in keyof Omit<InputsState, 'unreadable' | 'sizes'>]: number };
const NOTHING: Sums = {
  ...{ files: 0, images: 0, audios: 0, audioMicroseconds: 0, videos: 0, videoMicroseconds: 0 },
  ...{ documents: 0, textBytes: 0, hidden: 0, unreadableCount: 0 },
};

/** Adds up what was read, whatever model it is counted for. */
export class InputsTally {
  readonly #sums: Sums = { ...NOTHING };
  readonly #unreadable: Named[] = [];
  readonly #sizes = new SizeTally();

  file(): void {
    this.#sums.files += 1;
  }

  hidden(): void {
    this.#sums.hidden += 1;
  }

  document(): void {
    this.#sums.documents += 1;
  }

  input(input: EstimateInput): void {
    const { modality, count, seconds, text } = input;
    this.#sizes.add(input);
    const sums = this.#sums;
    const length = Math.round((seconds ?? 0) * MICROSECONDS) * count;
    if (modality === 'image') sums.images += count;
    else if (modality === 'audio') {
      sums.audios += count;
      sums.audioMicroseconds += length;
    } else if (modality === 'video') {
      sums.videos += count;
      sums.videoMicroseconds += length;
    } else if (text !== null) sums.textBytes += Buffer.byteLength(text) * count;
  }

  unreadable(value: UnreadableInput, order: number): void {
    this.#sums.unreadableCount += 1;
    if (this.#unreadable.length < NAMED_UNREADABLE) this.#unreadable.push({ value, order });
  }

  state(): InputsState {
    return { ...this.#sums, unreadable: [...this.#unreadable], sizes: this.#sizes.state() };
  }
}

/** What was read in all from what was read in parts. */
export function mergeInputs(parts: readonly InputsState[]): InputsState {
  const sums = { ...NOTHING };
  for (const part of parts) {
    for (const name of Object.keys(sums) as (keyof Sums)[]) sums[name] += part[name];
  }
  const unreadable = parts
    .flatMap((part) => part.unreadable)
    .sort((one, other) => one.order - other.order)
    .slice(0, NAMED_UNREADABLE);
  return { ...sums, unreadable, sizes: mergeSizes(parts.map(({ sizes }) => sizes)) };
}

/** The `inputs` of the document. */
export function inputsOf(state: InputsState): Estimate['inputs'] {
  const { files, images, audios, videos, documents, textBytes, unreadableCount } = state;
  return {
    ...{ files, images, audios, audioSeconds: state.audioMicroseconds / MICROSECONDS },
    ...{ videos, videoSeconds: state.videoMicroseconds / MICROSECONDS },
    ...{ documents, textBytes },
    unreadable: state.unreadable.map(({ value }) => value),
    unreadableCount,
  };
}
