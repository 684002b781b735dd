/** Byte, token and money arithmetic. No formatting for people here: that is `report/`. */

const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** Rounds `value` up to the next multiple of `step` (both non-negative, `step` > 0). */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/** C `std::round` on non-negative input and its mirror below zero: half away from zero. */
export function roundHalfAway(value: number): number {
  return value < 0 ? -Math.floor(-value + 0.5) : Math.floor(value + 0.5);
}

/** Python `round()`: half to even. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Sum of an iterable of numbers; 0 when empty. */
export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kib: KIB,
  mib: MIB,
  gib: GIB,
  tib: 1024 * GIB,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
};

/** `24GiB`, `24 GB`, `512MiB` to bytes; null when the text is not a size with a unit. */
export function parseSize(text: string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b)\s*$/i.exec(text);
  const factor = match?.[2] === undefined ? undefined : SIZE_UNITS[match[2].toLowerCase()];
  if (match?.[1] === undefined || factor === undefined) return null;
  const bytes = Number(match[1]) * factor;
  return Number.isFinite(bytes) ? Math.round(bytes) : null;
}
