import { GIB, MIB } from '../units.ts';

/** `12.34 GiB`, or MiB below one GiB: how sizes are worded in reasons and tables. */
export function gib(bytes: number): string {
  const size = Math.abs(bytes);
  if (size < GIB) return `${(bytes / MIB).toFixed(size < 10 * MIB ? 1 : 0)} MiB`;
  return `${(bytes / GIB).toFixed(2)} GiB`;
}

/** `1 slot`, `2 slots`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
