import type { EstimateItem } from '../contracts/estimate.ts';
import type { Modality } from '../contracts/basis.ts';
import type { CountedInput, CountedModel } from './count.ts';
import { formatNeeds } from './formats.ts';
import type { ChatRequest, RequestPart, TemplateCounter } from './template-tokens.ts';

/** Rows kept unasked; the dearest inputs that are shown. */
export const MAX_UNASKED_ITEMS = 1000;
export const COSTLIEST = 5;

/** Something of which only the first place counts: two machines that see it in any order agree. */
export type Seen<T> = { readonly value: T; readonly order: number };

/**
 * All that a report says of one model, as sums of whole numbers, sets and short lists, so that millions of
 * inputs take no more memory than one and parts of a job add up to the whole, whatever their order.
 */
export type TallyState = {
  /** Tokens of each modality without what the engine puts around them. */
  readonly tokens: Readonly<Record<Modality, number>>;
  /** What the engine puts around media, chat templates left out. */
  readonly wrapper: number;
  readonly low: number;
  readonly high: number;
  /** Requests of their own, and tokens of their chat templates; null where one of them is not known. */
  readonly template: number | null;
  readonly requests: number;
  /** The one request that all other inputs make, where they do. */
  readonly one: {
    readonly requests: number;
    readonly template: number | null;
    readonly texts: number;
    readonly heard: number;
  };
  /** Requests above the length from which a vendor charges more, and their tokens. */
  readonly long: { readonly requests: number; readonly input: number; readonly audio: number };
  /** Of the chat requests among the inputs. */
  readonly answers: AnswerLimits;
  /** Inputs that were counted, and that were not taken. */
  readonly taken: number;
  readonly uncounted: number;
  /** Inputs whose count is a range. */
  readonly ranged: number;
  readonly images: number;
  readonly imagesTaken: number;
  /** Texts, and sounds and films, that were counted. */
  readonly texts: number;
  readonly heard: number;
  readonly turned: number;
  /** Inputs longer than the model's context. */
  readonly tooLong: number;
  readonly rules: readonly Seen<string>[];
  readonly needs: readonly Seen<string>[];
  readonly refusals: readonly (Seen<string> & { readonly count: number })[];
  readonly costliest: readonly Seen<EstimateItem>[];
  /** Null once there are more than were asked for. */
  readonly items: readonly Seen<EstimateItem>[] | null;
};

/** What requests say of their answers (`max_tokens` and its like). */
export type AnswerLimits = {
  /** Requests that limit their answers, and the sum of their limits. */
  readonly limited: number;
  readonly tokens: number;
  /** Of `tokens`: those of requests that are counted as long. */
  readonly longTokens: number;
  /** Requests that leave the length to the model. */
  readonly unlimited: number;
};

/** Where an input stands: its place among all inputs, and the request it is part of. */
export type Place = {
  readonly order: number;
  readonly request: number;
  /** Equal requests that it stands for. */
  readonly copies: number;
  /** Part of the one request that inputs make which are none by themselves. */
  readonly shared?: boolean;
  /** The chat request that it is part of. */
  readonly chat?: ChatPlace;
  /** On the first input of a chat request: the limit of its answers; null where it has none. */
  readonly answer?: number | null;
};

/** A part of a chat request, and who says what in it. */
export type ChatPlace = ChatRequest & {
  /** The message, counted from 0, that it belongs to; null: to none of them, as tools. */
  readonly message: number | null;
};

export type TallyOptions = {
  readonly model: CountedModel;
  /** Keep every row, however many. */
  readonly allItems: boolean;
  /** Input tokens of one request above which its vendor charges more; null: no such length. */
  readonly longAbove: number | null;
  readonly template: TemplateCounter;
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Sums = Mutable<Omit<TallyState, 'rules' | 'needs' | 'refusals' | 'costliest' | 'items'>> & {
  tokens: Record<Modality, number>;
  long: { requests: number; input: number; audio: number };
  answers: { limited: number; tokens: number; longTokens: number; unlimited: number };
};

const nothing = (): Sums => ({
  ...{ tokens: { text: 0, image: 0, audio: 0, video: 0 }, wrapper: 0, low: 0, high: 0 },
  one: { requests: 0, template: 0, texts: 0, heard: 0 },
  ...{ template: 0, requests: 0, long: { requests: 0, input: 0, audio: 0 } },
  answers: { limited: 0, tokens: 0, longTokens: 0, unlimited: 0 },
  ...{
    taken: 0,
    uncounted: 0,
    ranged: 0,
    images: 0,
    imagesTaken: 0,
    texts: 0,
    heard: 0,
    turned: 0,
    tooLong: 0,
  },
});

/** A request that may go on. */
type OpenRequest = {
  readonly place: Place;
  /** Kept only where a template has to see them together. */
  readonly parts: RequestPart[];
  input: number;
  audio: number;
  answer: number;
  texts: number;
  heard: number;
};

/** Adds up the inputs of one model, request by request. */
export class ModelTally {
  readonly #options: TallyOptions;
  readonly #sums = nothing();
  readonly #rules = new Map<string, number>();
  readonly #needs = new Map<string, number>();
  readonly #refusals = new Map<string, { order: number; count: number }>();
  readonly #costliest: Seen<EstimateItem>[] = [];
  #items: Seen<EstimateItem>[] | null = [];
  #request: OpenRequest | null = null;
  #one: OpenRequest | null = null;

  constructor(options: TallyOptions) {
    this.#options = options;
  }

  /** Inputs of a request come one after another, but for those of the one that all others are part of. */
  add(counted: CountedInput, place: Place): void {
    const { input, item, refused } = counted;
    if (place.shared !== true && this.#request?.place.request !== place.request) this.#close();
    if (this.#items !== null) {
      this.#items.push({ value: item, order: place.order });
      const tooMany = !this.#options.allItems && this.#items.length > MAX_UNASKED_ITEMS;
      if (tooMany) this.#items = null;
    }
    if (!this.#rules.has(item.rule)) this.#rules.set(item.rule, place.order);
    const times = input.count;
    this.#answer(place.answer);
    if (input.modality === 'image') this.#sums.images += times;
    if (refused === null) this.#take(counted, place, times);
    else this.#refuse(refused, place.order, times);
  }

  #answer(limit: number | null | undefined): void {
    const { answers } = this.#sums;
    if (limit === null) answers.unlimited += 1;
    if (typeof limit !== 'number') return;
    answers.limited += 1;
    answers.tokens += limit;
  }

  #refuse(why: string, order: number, times: number): void {
    this.#sums.uncounted += times;
    const known = this.#refusals.get(why);
    if (known === undefined) this.#refusals.set(why, { order, count: times });
    else known.count += times;
  }

  #take(counted: CountedInput, place: Place, times: number): void {
    const { input, item, wrapper, low, high } = counted;
    const { modality } = input;
    const tokens = item.tokens ?? 0;
    const sums = this.#sums;
    sums.taken += times;
    sums.tokens[modality] += (tokens - wrapper) * times;
    sums.wrapper += wrapper * times;
    sums.low += low * times;
    sums.high += high * times;
    if (low !== high) sums.ranged += times;
    if (modality === 'image') sums.imagesTaken += times;
    else if (modality === 'text') sums.texts += times;
    else sums.heard += times;
    if (input.turned) sums.turned += times;
    const { description, engine } = this.#options.model;
    const context = description.text?.contextMax ?? description.hosted?.contextTokens ?? null;
    if (context !== null && tokens > context) sums.tooLong += times;
    const need = formatNeeds(engine, input.format);
    if (need !== null && !this.#needs.has(need)) this.#needs.set(need, place.order);
    this.#rank({ value: item, order: place.order });
    this.#open(counted, place);
  }

  #open(counted: CountedInput, place: Place): void {
    const fresh = () => ({ place, parts: [], input: 0, audio: 0, answer: 0, texts: 0, heard: 0 });
    const request = place.shared === true ? (this.#one ??= fresh()) : (this.#request ??= fresh());
    const times = counted.input.count / place.copies;
    const tokens = counted.item.tokens ?? 0;
    request.input += tokens * times;
    request.answer += place.answer ?? 0;
    if (counted.input.modality === 'audio') request.audio += (tokens - counted.wrapper) * times;
    const { modality } = counted.input;
    if (modality === 'text') request.texts += 1;
    else if (modality !== 'image') request.heard += 1;
    if (this.#options.template.kind !== 'joint') return;
    // One more than a template is asked about says that there were too many.
    const message = place.chat?.message ?? null;
    if (request.parts.length <= MAX_UNASKED_ITEMS) request.parts.push({ counted, message });
  }

  #close(): void {
    const request = this.#request;
    if (request === null) return;
    this.#request = null;
    const { place, input, audio, answer } = request;
    const sums = this.#sums;
    const template = this.#templateOf(request);
    sums.template =
      template === null || sums.template === null ? null : sums.template + template * place.copies;
    sums.requests += place.copies;
    const { longAbove } = this.#options;
    if (longAbove === null || input + (template ?? 0) <= longAbove) return;
    sums.long.requests += place.copies;
    sums.answers.longTokens += answer;
    sums.long.input += (input + (template ?? 0)) * place.copies;
    sums.long.audio += audio * place.copies;
  }

  /** What a vendor charges more for long requests is not asked of it: all inputs at once are seldom a real one. */
  #closeOne(): void {
    const request = this.#one;
    if (request === null) return;
    this.#one = null;
    const { texts, heard } = request;
    this.#sums.one = { requests: 1, template: this.#templateOf(request), texts, heard };
  }

  #templateOf({ place, parts, texts, heard }: OpenRequest): number | null {
    const { template } = this.#options;
    const chat = place.chat ?? null;
    if (template.kind === 'unknown' || heard > 0) return null;
    if (template.kind === 'frame') return texts === 0 ? null : template.tokens(chat);
    return parts.length > MAX_UNASKED_ITEMS ? null : template.count(parts, chat);
  }

  /** Equal ones stay in the order in which they were given. */
  #rank(one: Seen<EstimateItem>): void {
    const least = this.#costliest.at(-1);
    const full = this.#costliest.length === COSTLIEST;
    if (full && least !== undefined && dearer(one, least) > 0) return;
    this.#costliest.push(one);
    this.#costliest.sort(dearer);
    if (this.#costliest.length > COSTLIEST) this.#costliest.pop();
  }

  /** What was added so far; open requests end here. */
  state(): TallyState {
    this.#close();
    this.#closeOne();
    const { tokens, long, answers, ...sums } = this.#sums;
    const list = (seen: Map<string, number>) =>
      [...seen].map(([value, order]) => ({ value, order }));
    return {
      ...{
        ...sums,
        one: { ...sums.one },
        tokens: { ...tokens },
        long: { ...long },
        answers: { ...answers },
      },
      rules: list(this.#rules),
      needs: list(this.#needs),
      refusals: [...this.#refusals].map(([value, { order, count }]) => ({ value, order, count })),
      costliest: [...this.#costliest],
      items: this.#items,
    };
  }
}

/** Dearest first; equal ones in the order in which they were given. */
export function dearer(one: Seen<EstimateItem>, other: Seen<EstimateItem>): number {
  const cost = ({ value }: Seen<EstimateItem>) => (value.tokens ?? 0) * value.count;
  return cost(other) - cost(one) || one.order - other.order;
}
