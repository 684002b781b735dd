/** Pictures that an engine makes of a clip, and the texts it puts between them. */
export type SampledVideo = {
  readonly frames: number;
  /** Pictures that cost tokens: fewer than frames where two adjacent ones are joined. */
  readonly pictures: number;
  /** Tokens of the texts around the pictures; above what any vocabulary needs. */
  readonly textTokens: number;
};

/** `--video-fps` and `--video-timestamp-interval` of llama.cpp, as they are when nobody sets them. */
export const LLAMA_CPP_FPS = 4;
const TIMESTAMP_SECONDS = 5;
/** `Video:` and, character by character, `[0m5.00s]`. */
const TITLE_TOKENS = 7;
const TIMESTAMP_TOKENS = 10;

/**
 * Frames as llama.cpp's own video input samples them (b11118 mtmd-helper.cpp). A timestamp follows the
 * first frame of each 5 s, and two frames with one between them are not joined.
 */
export function sampleForLlamaCpp(seconds: number, joinsPairs: boolean): SampledVideo {
  const frames = Math.max(1, Math.round(seconds * LLAMA_CPP_FPS));
  const stamps = Math.ceil(frames / (LLAMA_CPP_FPS * TIMESTAMP_SECONDS));
  const textTokens = TITLE_TOKENS + stamps * TIMESTAMP_TOKENS;
  if (!joinsPairs) return { frames, pictures: frames, textTokens };
  const perStamp = LLAMA_CPP_FPS * TIMESTAMP_SECONDS;
  const rest = frames - 1;
  const whole = Math.floor(rest / perStamp);
  const pictures = 1 + whole * Math.ceil(perStamp / 2) + Math.ceil((rest % perStamp) / 2);
  return { frames, pictures, textTokens };
}

/** Qwen's own processor: 2 frames a second, an even number of them, each pair one picture. */
export const QWEN_FPS = 2;
/** Most pixels of a frame of Qwen2-VL and Qwen2.5-VL: 768 tokens of 28 x 28. */
export const QWEN_FRAME_PIXELS = 768 * 28 * 28;

export function sampleForQwen(seconds: number): SampledVideo {
  const frames = Math.max(2, 2 * Math.floor((seconds * QWEN_FPS) / 2));
  return { frames, pictures: frames / 2, textTokens: 0 };
}
