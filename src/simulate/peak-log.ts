import { MIB } from '../units.ts';

/** Compute buffers of an encoder, bytes, as llama-server prints them to 0.01 MiB. */
export type EncoderBuffers = { readonly device: number; readonly host: number };

const BUFFER = /(?:reserve|alloc)_compute_meta: +(\S+) compute buffer size = +([\d.]+) MiB/g;
/** Printed once the buffers for an image are there, before the first of it is computed. */
export const ENCODING = /clip_encode: copying image/;

/**
 * Buffers that the encoder holds when it begins with an image, from a log at `-lv 5`; a later line replaces
 * the one before. Null where the log names none. Without a device of its own all of it is `device`.
 */
export function parsePeak(log: string, onDevice: boolean): EncoderBuffers | null {
  const sizes = new Map<string, number>();
  for (const [, name = '', size] of log.matchAll(BUFFER)) {
    sizes.set(name, Math.round(Number(size) * MIB));
  }
  if (sizes.size === 0) return null;
  const total = (wanted: (name: string) => boolean) =>
    [...sizes].reduce((sum, [name, bytes]) => (wanted(name) ? sum + bytes : sum), 0);
  const isRemote = (name: string) => name.startsWith('RPC');
  return onDevice
    ? { device: total(isRemote), host: total((name) => !isRemote(name)) }
    : { device: total(() => true), host: 0 };
}
