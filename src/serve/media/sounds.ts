import { SAMPLE_RATE } from '../../tokens/rules/audio.ts';
import { monoWav } from '../../wav.ts';
import { NoFfmpeg, throughFfmpeg } from './ffmpeg.ts';
import { inThread, tooLong } from './in-thread.ts';
import { refused } from './limits.ts';
import type { Made, SentFile, Workshop } from './made.ts';

/**
 * Sound of any format as the engine counts it to the sample: mono, 16 kHz, 16 bits. By ffmpeg where there
 * is one, which knows them all and is faster; else by decoders of its own.
 */
export async function makeSound(file: SentFile, format: string, shop: Workshop): Promise<Made> {
  const samples = await samplesOf(file, format, shop);
  if (samples.length === 0) throw refused(file.place, 'there is no sound in it');
  return {
    meta: { kind: 'audio', format: 'wav', samples: samples.length },
    samples: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength),
    encode: () =>
      Promise.resolve(monoWav(samples.length, SAMPLE_RATE, (index) => samples[index] ?? 0)),
  };
}

async function samplesOf(file: SentFile, format: string, shop: Workshop): Promise<Int16Array> {
  try {
    return await byFfmpeg(file, format, shop);
  } catch (error) {
    if (!(error instanceof NoFfmpeg)) throw error;
    const { maxAudioSeconds } = shop.limits;
    const job = { kind: 'sound', file: file.bytes, maxSeconds: maxAudioSeconds } as const;
    return inThread(file.place, job, shop);
  }
}

/** The first sound of the file, in the byte order of every machine that Node runs on. */
const PCM = ['-map', '0:a:0', '-vn', '-ac', '1', '-ar', `${SAMPLE_RATE}`, '-f', 's16le'];
const SAMPLE_BYTES = 2;

async function byFfmpeg(file: SentFile, format: string, shop: Workshop): Promise<Int16Array> {
  const { maxAudioSeconds } = shop.limits;
  const most = maxAudioSeconds * SAMPLE_RATE * SAMPLE_BYTES;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of throughFfmpeg(file, format, PCM, shop)) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > most)
      throw tooLong(file.place, length / SAMPLE_RATE / SAMPLE_BYTES, maxAudioSeconds);
  }
  const bytes = new Uint8Array(length - (length % SAMPLE_BYTES));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk.subarray(0, bytes.length - at), at);
    at += chunk.length;
  }
  return new Int16Array(bytes.buffer);
}
