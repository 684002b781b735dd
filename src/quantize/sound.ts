import { monoWav } from '../wav.ts';
import type { DriftInput } from './next-tokens.ts';

const RATE = 16_000;
const SECONDS = 3;

/** What a model that only hears is asked: a tone that rises, as WAV. */
export function soundInputs(): DriftInput[] {
  return [220, 440].map((hertz) => ({
    name: `tone from ${hertz} Hz`,
    content: [
      {
        type: 'input_audio',
        input_audio: { data: risingTone(hertz).toString('base64'), format: 'wav' },
      },
      { type: 'text', text: 'Describe in detail what you hear.' },
    ],
  }));
}

/** The pitch doubles over its length. */
function risingTone(hertz: number): Buffer {
  const samples = RATE * SECONDS;
  return monoWav(samples, RATE, (at) => {
    const turns = hertz * (at / RATE) * (1 + at / samples / 2);
    return Math.round(12_000 * Math.sin(2 * Math.PI * turns));
  });
}
