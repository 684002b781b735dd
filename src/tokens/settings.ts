/** Levels of Gemini's `media_resolution`; `high` is also Qwen's `vl_high_resolution_images`. */
export const MEDIA_RESOLUTIONS = ['low', 'medium', 'high', 'ultra_high'] as const;
export type MediaResolution = (typeof MEDIA_RESOLUTIONS)[number];

/** What a user or an engine's flags can change about an image's token count; null = the model's own value. */
export type TokenSettings = {
  /** `--image-min-tokens` / `--image-max-tokens` of llama.cpp: only sized-by-content families obey them. */
  readonly imageMinTokens: number | null;
  readonly imageMaxTokens: number | null;
  /** `--ubatch-size`: caps the image of models that decode images non-causally. */
  readonly ubatch: number | null;
  /** `detail` of an OpenAI image part. */
  readonly detail: 'low' | 'high' | 'original' | 'auto' | null;
  readonly mediaResolution: MediaResolution | null;
};

export const DEFAULT_TOKEN_SETTINGS: TokenSettings = {
  imageMinTokens: null,
  imageMaxTokens: null,
  ubatch: null,
  detail: null,
  mediaResolution: null,
};
