/** What the engine says of an answer at its end. */
export type EngineTimings = {
  /** Tokens of the prompt that were evaluated, and those that a slot held already. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly promptMs: number;
  readonly answerTokens: number;
};

const FIELDS = { prompt_n: 0, cache_n: 0, prompt_ms: 0, predicted_n: 0 };
/** The object is flat, and the last of an answer. */
const NAME = '"timings"';
const OBJECT = /^\s*:\s*(\{[^{}]*\})/;

/**
 * llama-server's `timings`, in the last event of a stream or in a whole answer; null where there are
 * none. Only the end of `text` is looked at: an answer's own words come before it.
 */
export function engineTimings(text: string): EngineTimings | null {
  const tail = text.slice(-TAIL_CHARS);
  const at = tail.lastIndexOf(NAME);
  const found = at === -1 ? undefined : OBJECT.exec(tail.slice(at + NAME.length))?.[1];
  if (found === undefined) return null;
  try {
    const { prompt_n, cache_n, prompt_ms, predicted_n } = {
      ...FIELDS,
      ...(JSON.parse(found) as Partial<typeof FIELDS>),
    };
    const all = [prompt_n, cache_n, prompt_ms, predicted_n];
    if (!all.every((value) => Number.isFinite(value) && value >= 0)) return null;
    return {
      promptTokens: prompt_n,
      cachedTokens: cache_n,
      promptMs: prompt_ms,
      answerTokens: predicted_n,
    };
  } catch {
    return null;
  }
}

const TAIL_CHARS = 2048;
