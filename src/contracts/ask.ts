import type { Confidence } from './basis.ts';

/** Our own count of one chat request, before the engine has seen it. All fields are tokens. */
export type PromptEstimate = {
  /** The texts of the messages. */
  readonly text: number;
  /** null when an image's size or the model's rule is unknown. */
  readonly image: number | null;
  /** Chat template, begin of text, and what stands around each image. */
  readonly wrapper: number | null;
  /** What the engine will bill as prompt tokens: the sum of the three. */
  readonly total: number | null;
  readonly confidence: Confidence;
};

/** `mmdeploy.ask/v1`: one answered question, what it was estimated to cost and what was billed. */
export const ASK_SCHEMA = 'mmdeploy.ask/v1';

export type AskResult = {
  readonly schema: typeof ASK_SCHEMA;
  readonly question: string;
  readonly images: readonly string[];
  readonly answer: string;
  /** null when the server has no estimate of ours (it is not an mmdeploy gateway). */
  readonly estimated: PromptEstimate | null;
  /** Prompt tokens as the engine counted them; null when it did not say. */
  readonly billed: number | null;
  readonly completionTokens: number | null;
  /** `billed` - `estimated.total`; null when either is unknown. */
  readonly difference: number | null;
  /** `stop`, `length` …, in the engine's word. */
  readonly finishReason: string | null;
};
