import { MmdeployError } from '../../errors.ts';

/** A whole number between `least` and `most` from a flag; null when it was not given. */
export function wholeNumber(
  flag: string,
  value: string | undefined,
  least = 1,
  most = MOST,
): number | null {
  if (value === undefined) return null;
  const number = /^-?\d+$/.test(value.trim()) ? Number(value) : Number.NaN;
  if (number >= least && number <= most) return number;
  const what = Number.isNaN(number) ? 'is not a whole number' : `is not from ${least} to ${most}`;
  throw new MmdeployError('usage.invalid', `\`${flag} ${value}\` ${what}`, {
    hints: [`give a whole number from ${least} to ${most}`],
  });
}

/** Far beyond any context or count, and far below where products lose precision. */
const MOST = 100_000_000;

/** `2@1920x1080`, or `1920x1080` for one. */
export function imagesOfRequest(
  value: string | undefined,
): { count: number; width: number; height: number } | null {
  if (value === undefined) return null;
  const match = /^(?:(\d{1,4})@)?(\d{1,6})[x×](\d{1,6})$/i.exec(value.trim());
  const [count, width, height] = [match?.[1] ?? '1', match?.[2] ?? '0', match?.[3] ?? '0'].map(
    Number,
  );
  if (count && width && height) return { count, width, height };
  throw new MmdeployError('usage.invalid', `\`--images ${value}\` is not N@WxH`, {
    hints: ['give the number and the size in pixels, as in `--images 2@1920x1080`'],
  });
}

/** `3,1` as shares; null when the flag was not given. */
export function shares(flag: string, value: string | undefined): number[] | null {
  if (value === undefined) return null;
  const parts = value.split(',').map((part) => Number(part.trim() === '' ? Number.NaN : part));
  if (parts.every((part) => Number.isFinite(part) && part >= 0) && parts.some((part) => part > 0)) {
    return parts;
  }
  throw new MmdeployError('usage.invalid', `\`${flag} ${value}\` is not a list of shares`, {
    hints: [`give one number for each GPU, as in \`${flag} 3,1\``],
  });
}

const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `30s`, `2m`, `500ms` or seconds without a unit, in milliseconds. */
export function milliseconds(flag: string, value: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/i.exec(value.trim());
  const unit = TIME_UNITS[(match?.[2] ?? 's').toLowerCase()] ?? 1000;
  if (match?.[1] !== undefined && Number(match[1]) * unit <= MOST_MS)
    return Number(match[1]) * unit;
  throw new MmdeployError('usage.invalid', `\`${flag} ${value}\` is not a time`, {
    hints: [`give seconds or a unit, as in \`${flag} 30s\` or \`${flag} 2m\``],
  });
}

/** A day: longer waits are a mistake, and timers overflow at 24.8 days. */
const MOST_MS = 86_400_000;

/** Collects the values of a repeatable flag. */
export function repeated(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}
