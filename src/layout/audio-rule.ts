import type { EncoderModel, TokenRuleUse } from '../contracts/model.ts';

type Use = Pick<TokenRuleUse, 'params' | 'wrapper'>;

/** Steps of Whisper's encoder in one chunk of 30 s. */
const CHUNK_STEPS = 1500;

/** `aud_beg` and `aud_end` of a family: one token each in its published vocabulary. */
const around = (begin: string, end: string): TokenRuleUse['wrapper'] => ({
  begin,
  end,
  tokens: (begin === '' ? 0 : 1) + (end === '' ? 0 : 1),
});
const NO_WRAPPER = around('', '');
const GEMMA4 = around('<|audio>', '<audio|>');

/**
 * Whisper's preprocessing: 30 s of silence behind each clip, and every chunk of 3000 frames is whole. An
 * exact 30 s makes a second chunk.
 */
const chunks = (tokens: number, wrapper = NO_WRAPPER): Use => ({
  params: { padding: 480_000, stack: 3000, tokens },
  wrapper,
});

/** Normalised over its frames, of which two have to be there: llama.cpp aborts on fewer. */
const LFM2_LEAST = 320;

/** How llama.cpp counts a clip, by `clip.projector_type` (b11118 mtmd-audio.cpp, `clip_n_output_tokens`). */
const RULES: ReadonlyMap<string, (encoder: EncoderModel) => Use> = new Map<
  string,
  (encoder: EncoderModel) => Use
>([
  ['dots3note_a', () => dots3note()],
  ['gemma4a', () => gemma4a()],
  ['gemma4ua', () => ({ params: { hop: 640, padding: -1 }, wrapper: GEMMA4 })],
  ['glma', ({ stack = 1 }) => chunks(Math.floor(CHUNK_STEPS / stack) + 2)],
  ['granite_speech', (encoder) => graniteSpeech(encoder)],
  ['lfm2a', () => ({ params: { group: 8, minSamples: LFM2_LEAST }, wrapper: NO_WRAPPER })],
  ['meralion', ({ stack = 1 }) => chunks(Math.floor(CHUNK_STEPS / stack))],
  ['musicflamingo', () => chunks(CHUNK_STEPS / 2, around('<sound>', ''))],
  ['qwen2a', () => chunks(CHUNK_STEPS / 2, around('<|audio_bos|>', '<|audio_eos|>'))],
  ['qwen3a', () => qwen3a()],
  ['ultravox', ({ stack = 1 }) => chunks(Math.floor(CHUNK_STEPS / stack))],
  [
    'voxtral',
    ({ stack = 1 }) => chunks(Math.floor(CHUNK_STEPS / stack / 2), around('[BEGIN_AUDIO]', '')),
  ],
]);

/** Each second of 100 frames is encoded alone, to 13 steps; a started one is padded. */
function qwen3a(): Use {
  return {
    params: { group: 100, tokens: 13 },
    wrapper: around('<|audio_start|>', '<|audio_end|>'),
  };
}

/** Two convolutions that halve, over pieces of 30 s whose last window of 320 samples has to be full. */
function gemma4a(): Use {
  return { params: { padding: -161, group: 4, chunkSeconds: 30, leastTokens: 1 }, wrapper: GEMMA4 };
}

function dots3note(): Use {
  return {
    params: { padding: -160, group: 8, chunkSeconds: 60 },
    wrapper: around('<|audio_comp_start|>', '<|audio_comp_end|>'),
  };
}

/** Pairs of frames in windows, of which a resampler takes every fifth. */
function graniteSpeech({ window = 15, downsample = 5 }: EncoderModel): Use {
  const tokens = Math.max(1, Math.floor(window / downsample));
  return { params: { stack: 2, group: window, tokens }, wrapper: NO_WRAPPER };
}

/** Every projector whose clips are counted by the keys of its file. */
export function audioProjectors(): readonly string[] {
  return [...RULES.keys()].sort();
}

/** The tower that hears: the encoder itself, or the ears beside its eyes. */
function earsOf(encoder: EncoderModel | null): EncoderModel | null {
  if (encoder === null) return null;
  return encoder.melBins === undefined ? (encoder.audio ?? null) : encoder;
}

/**
 * How llama.cpp counts a clip for a projector file; null where its rule is not known here. The wrapper's
 * token count is that of the published vocabulary: with another one tokenise its strings.
 */
export function audioRuleOf(encoder: EncoderModel, path: string): TokenRuleUse | null {
  const ears = earsOf(encoder);
  const rule = ears === null ? undefined : RULES.get(ears.projectorType)?.(ears);
  if (ears === null || rule === undefined) return null;
  return { rule: 'audio-frames', ...rule, source: `${ears.projectorType} projector of ${path}` };
}
