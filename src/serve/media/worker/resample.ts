/** Lobes of the windowed sinc on each side: far below the noise of 16 bits for speech. */
const LOBES = 16;

/**
 * Brings a wave to another rate with a sinc under a Hann window, cut off at the lower of both Nyquist
 * frequencies so that nothing folds back. As many samples as the length asks for, rounded to the nearest.
 */
export function resample(wave: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return wave;
  const cutoff = Math.min(1, to / from);
  const reach = LOBES / cutoff;
  const length = Math.round((wave.length * to) / from);
  const made = new Float32Array(length);
  for (let index = 0; index < length; index++) {
    const centre = (index * from) / to;
    const first = Math.max(0, Math.ceil(centre - reach));
    const last = Math.min(wave.length - 1, Math.floor(centre + reach));
    let sum = 0;
    for (let at = first; at <= last; at++) {
      const distance = at - centre;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / reach);
      sum += (wave[at] ?? 0) * cutoff * sinc(distance * cutoff) * window;
    }
    made[index] = sum;
  }
  return made;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** All channels in one, each as loud. */
export function mixed(channels: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array(0)] = channels;
  if (channels.length < 2) return first;
  return first.map((_, index) => {
    let sum = 0;
    for (const channel of channels) sum += channel[index] ?? 0;
    return sum / channels.length;
  });
}

export function toInt16(wave: Float32Array): Int16Array {
  return Int16Array.from(wave, (sample) =>
    Math.round(Math.max(-32_768, Math.min(32_767, sample * 32_768))),
  );
}
