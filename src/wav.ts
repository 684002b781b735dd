const HEADER_BYTES = 44;
const SAMPLE_BYTES = 2;

/**
 * A mono WAV file of 16-bit samples at `rate` per second; `sampleAt` gives each of them, from -32768 to 32767,
 * silence where it is left out.
 */
export function monoWav(
  samples: number,
  rate: number,
  sampleAt?: (index: number) => number,
): Buffer {
  const bytes = SAMPLE_BYTES * samples;
  const wav = Buffer.alloc(HEADER_BYTES + bytes);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(HEADER_BYTES - 8 + bytes, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  // PCM, one channel.
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(rate, 24);
  wav.writeUInt32LE(SAMPLE_BYTES * rate, 28);
  wav.writeUInt16LE(SAMPLE_BYTES, 32);
  wav.writeUInt16LE(8 * SAMPLE_BYTES, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(bytes, 40);
  if (sampleAt === undefined) return wav;
  for (let index = 0; index < samples; index++) {
    wav.writeInt16LE(sampleAt(index), HEADER_BYTES + SAMPLE_BYTES * index);
  }
  return wav;
}
