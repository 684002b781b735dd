import { MmdeployError } from '../../errors.ts';
import { parseSize } from '../../units.ts';

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
  throw new MmdeployError('usage.invalid', `\`${shown(flag, value)}\` ${what}`, {
    hints: [
      `give a whole number from ${least} to ${most}, as in \`${flag} ${EXAMPLES[flag] ?? 8}\``,
    ],
  });
}

/** An empty value is shown as the shell was given it. */
function shown(flag: string, value: string): string {
  return `${flag} ${value.trim() === '' ? `"${value}"` : value}`;
}

/** What to give where 8 would be odd. */
const EXAMPLES: Readonly<Record<string, number>> = {
  '--context': 8192,
  '--ubatch': 512,
  '--image-max-tokens': 1024,
  '--text': 500,
  '--output-tokens': 300,
  '--port': 8080,
  '--gpu-layers': 20,
};

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
  throw new MmdeployError('usage.invalid', `\`${shown('--images', value)}\` is not N@WxH`, {
    hints: ['give the number and the size in pixels, as in `--images 2@1920x1080`'],
  });
}

/** Seconds of a clip: `30s`, `12.5s`, `2m`; NaN for anything else. */
function clipSeconds(text: string): number {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(s|m|h)$/i.exec(text);
  const scale = { s: 1, m: 60, h: 3600 }[(match?.[2] ?? 's').toLowerCase()] ?? 1;
  const seconds = Number(match?.[1] ?? Number.NaN) * scale;
  return seconds > 0 && seconds <= MOST_SECONDS ? seconds : Number.NaN;
}

/** A day of sound or pictures in one request is a slip of the keyboard. */
const MOST_SECONDS = 86_400;

const countOf = (text: string | undefined) => Number(text ?? '1');

/** `30s`, or `30s*4` for four clips. */
export function audioOfRequest(
  value: string | undefined,
): { count: number; seconds: number } | null {
  if (value === undefined) return null;
  const match = /^([^*]+?)(?:\*(\d{1,4}))?$/.exec(value.trim());
  const seconds = clipSeconds(match?.[1] ?? '');
  const count = countOf(match?.[2]);
  if (count > 0 && !Number.isNaN(seconds)) return { count, seconds };
  throw new MmdeployError('usage.invalid', `\`--audio ${value}\` is not SECONDSs[*N]`, {
    hints: ['give the length of a clip of one request, as in `--audio 30s` or `--audio 30s*4`'],
  });
}

/** `10s@1280x720`, or `10s@1280x720*2` for two videos. */
export function videoOfRequest(
  value: string | undefined,
): { count: number; seconds: number; width: number; height: number } | null {
  if (value === undefined) return null;
  const match = /^([^@*]+)@(\d{1,6})[x×](\d{1,6})(?:\*(\d{1,4}))?$/i.exec(value.trim());
  const seconds = clipSeconds(match?.[1] ?? '');
  const [width, height] = [Number(match?.[2] ?? 0), Number(match?.[3] ?? 0)];
  const count = countOf(match?.[4]);
  if (count > 0 && width > 0 && height > 0 && !Number.isNaN(seconds)) {
    return { count, seconds, width, height };
  }
  throw new MmdeployError('usage.invalid', `\`--video ${value}\` is not SECONDSs@WxH[*N]`, {
    hints: ['give length and size of a video of one request, as in `--video 10s@1280x720`'],
  });
}

/** `2026-03-01`; null when the flag was not given. */
export function dayOf(flag: string, value: string | undefined): string | null {
  if (value === undefined) return null;
  const day = value.trim();
  const time = /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  // 2026-02-30 would be read as a day of March.
  if (!Number.isNaN(time) && new Date(time).toISOString().startsWith(day)) return day;
  throw new MmdeployError('usage.invalid', `\`${flag} ${value}\` is not a day`, {
    hints: [`give year, month and day, as in \`${flag} 2026-03-01\``],
  });
}

/** `3,1` as shares; null when the flag was not given. */
export function shares(flag: string, value: string | undefined): number[] | null {
  if (value === undefined) return null;
  const parts = value.split(',').map((part) => Number(part.trim() === '' ? Number.NaN : part));
  if (parts.every((part) => Number.isFinite(part) && part >= 0) && parts.some((part) => part > 0)) {
    return parts;
  }
  throw new MmdeployError('usage.invalid', `\`${shown(flag, value)}\` is not a list of shares`, {
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
  throw new MmdeployError('usage.invalid', `\`${shown(flag, value)}\` is not a time`, {
    hints: [`give seconds or a unit, as in \`${flag} 30s\` or \`${flag} 2m\``],
  });
}

/** A day: longer waits are a mistake, and timers overflow at 24.8 days. */
const MOST_MS = 86_400_000;

/** `2GiB`, `500 MB`, or 0. */
export function sizeInBytes(flag: string, value: string): number {
  const bytes = value.trim() === '0' ? 0 : parseSize(value);
  if (bytes !== null && Number.isSafeInteger(bytes)) return bytes;
  throw new MmdeployError('usage.invalid', `\`${shown(flag, value)}\` is not a size`, {
    hints: [`give a number with its unit, as in \`${flag} 2GiB\``],
  });
}

/** Collects the values of a repeatable flag. */
export function repeated(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}
