/** Pictures that an engine makes of a clip, and the texts it puts between them. */
export type SampledVideo = {
  readonly frames: number;
  /** Pictures that cost tokens: fewer than frames where two adjacent ones are joined. */
  readonly pictures: number;
  /** What is written before and between the pictures, each tokenised by itself. */
  readonly texts: readonly string[];
  /** Tokens of these texts, a token for each character: more than a model's own vocabulary needs. */
  readonly textTokens: number;
};

/** `--video-fps` and `--video-timestamp-interval` of llama.cpp, as they are when nobody sets them. */
export const LLAMA_CPP_FPS = 4;
const TIMESTAMP_SECONDS = 5;
const TITLE = 'Video:';

/**
 * Frames as llama.cpp's own video input samples them (b11118 mtmd-helper.cpp, confirmed on build 11669): the
 * `fps` filter of ffmpeg rounds, so that of a film shorter than an eighth of a second none is left. A
 * timestamp follows the first frame of each 5 s, and two frames with one between them are not joined.
 */
export function sampleForLlamaCpp(seconds: number, joinsPairs: boolean): SampledVideo {
  const frames = Math.round(seconds * LLAMA_CPP_FPS);
  const perStamp = LLAMA_CPP_FPS * TIMESTAMP_SECONDS;
  const stamps = Array.from({ length: Math.ceil(frames / perStamp) }, (_, at) =>
    timestamp(at * TIMESTAMP_SECONDS),
  );
  const texts = [TITLE, ...stamps];
  // One more for the space that some vocabularies put before a text.
  const textTokens = texts.reduce((tokens, text) => tokens + text.length + 1, 0);
  if (!joinsPairs || frames === 0) return { frames, pictures: frames, texts, textTokens };
  const rest = frames - 1;
  const whole = Math.floor(rest / perStamp);
  const pictures = 1 + whole * Math.ceil(perStamp / 2) + Math.ceil((rest % perStamp) / 2);
  return { frames, pictures, texts, textTokens };
}

/** `[1m5.00s]`. */
function timestamp(seconds: number): string {
  return `[${Math.floor(seconds / 60)}m${(seconds % 60).toFixed(2)}s]`;
}

/** Qwen's own processor: 2 frames a second, an even number of them, each pair one picture. */
export const QWEN_FPS = 2;
/** Most pixels of a frame of Qwen2-VL and Qwen2.5-VL: 768 tokens of 28 x 28. */
export const QWEN_FRAME_PIXELS = 768 * 28 * 28;

export function sampleForQwen(seconds: number): SampledVideo {
  const frames = Math.max(2, 2 * Math.floor((seconds * QWEN_FPS) / 2));
  return { frames, pictures: frames / 2, texts: [], textTokens: 0 };
}
