import type { EncoderModel } from '../contracts/model.ts';
import type { AudioRule } from '../tokens/rules/audio.ts';

/** An audio rule with the strings that the engine puts around each clip. */
export type AudioRuleUse = AudioRule & { readonly begin: string; readonly end: string };

/** Steps of Whisper's encoder in one chunk. */
const CHUNK_STEPS = 1500;

/** How llama.cpp counts a clip for an audio tower; null where its rule is not known here. */
export function audioRuleOf(encoder: EncoderModel): AudioRuleUse | null {
  const { projectorType, stack = 1 } = encoder;
  const chunks = (steps: number) => ({ rule: 'audio-chunks', tokensPerChunk: steps }) as const;
  switch (projectorType) {
    case 'qwen2a':
      return { ...chunks(CHUNK_STEPS / 2), begin: '<|audio_bos|>', end: '<|audio_eos|>' };
    case 'ultravox':
      return { ...chunks(Math.floor(CHUNK_STEPS / stack)), begin: '', end: '' };
    case 'voxtral':
      return { ...chunks(Math.floor(CHUNK_STEPS / stack / 2)), begin: '[BEGIN_AUDIO]', end: '' };
    case 'qwen3a':
      return {
        ...{ rule: 'audio-windows', tokensPerStep: 13 },
        ...{ begin: '<|audio_start|>', end: '<|audio_end|>' },
      };
    default:
      return null;
  }
}
