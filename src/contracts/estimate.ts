import type { Advice, BaselineComparison, BudgetCheck, ComparisonRow } from './estimate-checks.ts';
import type { Basis, Confidence, EngineName, Modality } from './basis.ts';

/** `mmdeploy.estimate/v1`. Token counts are integers; an unknown count is `null`. */
export const ESTIMATE_SCHEMA = 'mmdeploy.estimate/v1';

export type UnreadableInput = { readonly path: string; readonly reason: string };

/** One input as it was read, before any model is asked about it. */
export type EstimateInput = {
  /** The path, or the description it was given by (`1920x1080`). */
  readonly input: string;
  readonly modality: Modality;
  /** Size in pixels after EXIF orientation; null for other modalities. */
  readonly width: number | null;
  readonly height: number | null;
  /** Whether EXIF turned it by a quarter: an engine that ignores EXIF sees width and height swapped. */
  readonly turned: boolean;
  /** `png`, `jpg`, `wav`, `mp4` … as its first bytes say; null for a description and for text. */
  readonly format: string | null;
  /** Pictures of an animation (GIF, WebP, AVIF, APNG), 1 for a still one; null where there is no file. */
  readonly frames: number | null;
  /** The PDF file that it is a page or the text of; null for anything else. */
  readonly document: string | null;
  readonly seconds: number | null;
  /** Samples of 16 kHz that llama.cpp makes of a sound; null for formats it has no decoder for, and without a file. */
  readonly samples16k: number | null;
  /** Frames a second of a film; null where it was not given. */
  readonly fps: number | null;
  /** Seconds of the sound beside the picture of a film; 0 for a silent one, null where it is not known. */
  readonly soundSeconds: number | null;
  readonly text: string | null;
  /** Whether `text` is the JSON of tools or of an answer's schema, which every engine writes in a way of its own. */
  readonly definition?: boolean;
  /** Given token count of a text (`--text-tokens`). */
  readonly textTokens: number | null;
  /** `detail` of this one image part of a request; null: as `--detail` says for all. */
  readonly detail: 'low' | 'high' | 'original' | 'auto' | null;
  /** How many inputs of just this kind it stands for (`--image WxH*N`). */
  readonly count: number;
};

export type EstimateItem = {
  readonly input: string;
  readonly modality: Modality;
  readonly width: number | null;
  readonly height: number | null;
  readonly seconds: number | null;
  readonly count: number;
  /** Everything this input adds to the prompt, wrappers included, for one of `count`. */
  readonly tokens: number | null;
  readonly rule: string;
  /** How the rule came to it, or why this engine does not take the input. */
  readonly detail: string;
};

export type PriceUsed = {
  readonly input: number;
  readonly output: number;
  readonly cachedInput: number | null;
  /** Pictures, sound and film that go in; null: as `input`. */
  readonly imageInput: number | null;
  readonly audioInput: number | null;
  readonly videoInput: number | null;
  /** Share taken off by the vendor's batch API. */
  readonly batchDiscount: number | null;
  /** What every token of a request of more than `above` input tokens costs. */
  readonly longContext: null | {
    readonly above: number;
    readonly input: number;
    readonly output: number;
    readonly cachedInput: number | null;
  };
  /** From a price list, given as such, or made of the price of hardware. */
  readonly basis: 'list' | 'given' | 'gpu-hours';
  /** Who bills, where it is not the model's own vendor. */
  readonly provider: string | null;
  /** Whether the batch discount was taken off. */
  readonly batch: boolean;
  /** What was priced as input that the vendor has seen before. */
  readonly cached: null | { readonly tokens: number | null; readonly percent: number | null };
  /** How a price that is in no list came about. */
  readonly formula: string | null;
  readonly source: string;
};

/** One shape of input: what the rule and what the engine itself counts for one of it, wrappers included. */
export type ExactDifference = {
  readonly input: string;
  readonly modality: Modality;
  readonly width: number | null;
  readonly height: number | null;
  readonly seconds: number | null;
  readonly count: number;
  readonly formula: number | null;
  readonly engine: number | null;
  /** Engine less formula. */
  readonly difference: number | null;
};

/** `--exact`: the engine's own count of the inputs beside the rule's. */
export type ExactCheck = {
  readonly engine: 'llama.cpp';
  /** The server that was asked; null where one was started. */
  readonly url: string | null;
  /** Files of the same shape stood in for the model's: each mark around an image was one token. */
  readonly standIn: boolean;
  /** Distinct shapes that the engine counted. */
  readonly asked: number;
  /** Of all inputs of these shapes, by the engine and by the rule; null where the rule knows one not. */
  readonly tokens: number;
  readonly formula: number | null;
  /** Shapes whose counts differ, or that the rule cannot count. */
  readonly differences: readonly ExactDifference[];
  /** What was not asked; `input` null: several. */
  readonly unasked: readonly {
    readonly input: string | null;
    readonly count: number;
    readonly reason: string;
  }[];
};

export type ModelEstimate = {
  readonly id: string;
  readonly engine: EngineName;
  readonly tokens: {
    readonly total: number | null;
    readonly text: number | null;
    readonly image: number | null;
    readonly audio: number | null;
    readonly video: number | null;
    readonly wrapper: number | null;
  };
  /** Bounds of the total, equal where nothing was approximated; null where the total is unknown. */
  readonly range: { readonly low: number; readonly high: number } | null;
  /** Requests that the inputs make: what output tokens and chat templates are counted for. */
  readonly requests: number;
  /** Inputs that were read but that this model and engine do not take: no token of theirs is in the total. */
  readonly uncounted: number;
  readonly confidence: Confidence;
  readonly basis: Basis;
  readonly rule: string;
  /** Where the rule of images was read or confirmed; null where none was counted. */
  readonly ruleSource: string | null;
  readonly costUsd: null | {
    readonly input: number;
    readonly output: number;
    readonly total: number;
  };
  readonly priceAsOf: string | null;
  /** Whole days since then; null where there is no price, or one without a day. */
  readonly priceAgeDays: number | null;
  /** The price that `costUsd` was computed with, US dollars per million tokens; null where there is none. */
  readonly price: PriceUsed | null;
  /** The few inputs that cost most, dearest first: what to shrink to save anything. */
  readonly costliest: readonly EstimateItem[];
  /** What would save tokens, dearest first; each by itself. */
  readonly advice: readonly Advice[];
  /** Every input, where the rows were asked for. */
  readonly items: readonly EstimateItem[];
  /** With `--exact` only, and of models on llama.cpp. */
  readonly exact?: ExactCheck;
};

/** Media that come several times with the same content (`--dedupe`). */
export type Dedupe = {
  /** Files with media whose content was compared. */
  readonly media: number;
  readonly distinct: number;
  readonly duplicates: number;
  /** Of `media`: not told apart, because there were more distinct ones than are kept in memory. */
  readonly untold: number;
  /** What a cache of encoded media would save each model, in the order of `models`. */
  readonly saved: readonly { readonly tokens: number; readonly encodes: number }[];
};

export type Estimate = {
  readonly schema: typeof ESTIMATE_SCHEMA;
  readonly inputs: {
    readonly files: number;
    readonly images: number;
    readonly audios: number;
    readonly audioSeconds: number;
    readonly videos: number;
    readonly videoSeconds: number;
    readonly documents: number;
    readonly textBytes: number;
    /** The first of them, in the order of the inputs. */
    readonly unreadable: readonly UnreadableInput[];
    /** How many there are. */
    readonly unreadableCount: number;
  };
  readonly models: readonly ModelEstimate[];
  /** Null where duplicates were not looked for. */
  readonly dedupe: Dedupe | null;
  readonly warnings: readonly string[];
  /** The models side by side, cheapest first (`--compare`). */
  readonly comparison?: readonly ComparisonRow[];
  /** Every limit that was given (`--max-tokens`, `--max-usd`). */
  readonly budgets?: readonly BudgetCheck[];
  /** Against an earlier report (`--baseline`). */
  readonly baseline?: BaselineComparison;
};
