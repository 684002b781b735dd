import { MmdeployError } from '../../errors.ts';

/** How an engine counts a clip: Whisper's 30 s chunks, or the started windows of Qwen3's own encoder. */
export type AudioRule =
  | { readonly rule: 'audio-chunks'; readonly tokensPerChunk: number }
  | { readonly rule: 'audio-windows'; readonly tokensPerStep: number };

const SAMPLE_RATE = 16_000;
/** Samples of one mel frame. */
const HOP = 160;
const CHUNK_FRAMES = 3000;
/** Silence added behind each clip: an exact 30 s makes a second chunk. */
const PADDING = 30 * SAMPLE_RATE;
const WINDOW_FRAMES = 800;
const STEP_FRAMES = 100;

/**
 * Tokens of a clip of `seconds` without its wrapper, as llama.cpp counts them after it has brought the
 * clip to 16 kHz (b11118 mtmd-audio.cpp, `clip_n_output_tokens`). Throws `input.invalid` for a length
 * that no clip has.
 */
export function countAudio(rule: AudioRule, seconds: number): number {
  if (!Number.isFinite(seconds) || seconds <= 0) {
    throw new MmdeployError('input.invalid', `\`${seconds}\` s is not the length of a clip`, {
      hints: ['give seconds above zero, as in `mmdeploy estimate --audio 12.5`'],
    });
  }
  const samples = Math.round(seconds * SAMPLE_RATE);
  if (rule.rule === 'audio-chunks') {
    const frames = Math.floor((samples + PADDING) / HOP) + 1;
    return Math.floor(frames / CHUNK_FRAMES) * rule.tokensPerChunk;
  }
  const frames = Math.floor(samples / HOP) + 1;
  const whole = Math.floor(frames / WINDOW_FRAMES);
  const steps =
    whole * (WINDOW_FRAMES / STEP_FRAMES) + Math.ceil((frames % WINDOW_FRAMES) / STEP_FRAMES);
  return steps * rule.tokensPerStep;
}
