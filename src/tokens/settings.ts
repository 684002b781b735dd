/** What a user or an engine's flags can change about an image's token count; null = the model's own value. */
export type TokenSettings = {
  /** `--image-min-tokens` / `--image-max-tokens` of llama.cpp: only sized-by-content families obey them. */
  readonly imageMinTokens: number | null;
  readonly imageMaxTokens: number | null;
  /** `--ubatch-size`: caps the image of models that decode images non-causally. */
  readonly ubatch: number | null;
  /** `detail` of an OpenAI image part. */
  readonly detail: 'low' | 'high' | 'original' | 'auto' | null;
};

export const DEFAULT_TOKEN_SETTINGS: TokenSettings = {
  imageMinTokens: null,
  imageMaxTokens: null,
  ubatch: null,
  detail: null,
};
