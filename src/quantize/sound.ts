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

/** 16-bit mono PCM; the pitch doubles over its length. */
function risingTone(hertz: number): Buffer {
  const samples = RATE * SECONDS;
  const bytes = Buffer.alloc(44 + 2 * samples);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(36 + 2 * samples, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(RATE, 24);
  bytes.writeUInt32LE(2 * RATE, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(2 * samples, 40);
  for (let at = 0; at < samples; at++) {
    const turns = hertz * (at / RATE) * (1 + at / samples / 2);
    bytes.writeInt16LE(Math.round(12_000 * Math.sin(2 * Math.PI * turns)), 44 + 2 * at);
  }
  return bytes;
}
