import { MmdeployError } from '../../errors.ts';
import type { MediaLimits } from '../../serve/media/limits.ts';
import { milliseconds, wholeNumber } from './values.ts';

/** The flags of `serve` that bound what media may cost, and where they may come from. */
export type MediaOptions = {
  readonly maxImagePixels: string;
  readonly maxImages: string;
  readonly maxPdfPages: string;
  readonly maxAudioSeconds: string;
  readonly maxVideoSeconds: string;
  readonly allowRemoteMedia?: readonly string[];
};

/** libvips and llama.cpp count pixels in 32 bits with a sign. */
const MOST_PIXELS = 1_000_000_000;
const MOST_SECONDS = 86_400;

/** Throws `usage.invalid` naming the flag. */
export function mediaLimits(options: MediaOptions): Omit<MediaLimits, 'maxRemoteBytes'> {
  return {
    maxImagePixels: number('--max-image-pixels', options.maxImagePixels, MOST_PIXELS),
    maxImages: number('--max-images', options.maxImages, 10_000),
    maxPdfPages: number('--max-pdf-pages', options.maxPdfPages, 10_000),
    maxAudioSeconds: seconds('--max-audio-seconds', options.maxAudioSeconds),
    maxVideoSeconds: seconds('--max-video-seconds', options.maxVideoSeconds),
  };
}

function number(flag: string, value: string, most: number): number {
  return wholeNumber(flag, value, 1, most) ?? 1;
}

/** `600`, or as all other times are given: `10m`. */
function seconds(flag: string, value: string): number {
  if (/^\d+$/.test(value)) return number(flag, value, MOST_SECONDS);
  return Math.max(1, Math.round(milliseconds(flag, value) / 1000));
}

/**
 * `--allow-remote-media HOST[,HOST…]`: names and addresses as a URL writes them, so that what a client
 * asks for can be compared letter by letter. Throws `usage.invalid`.
 */
export function remoteHosts(values: readonly string[] = []): ReadonlySet<string> {
  const names = values.flatMap((value) => value.split(',')).map((name) => name.trim());
  return new Set(names.filter((name) => name !== '').map(hostOf));
}

function hostOf(name: string): string {
  const url = `http://${name}/`;
  if (/^[^\s/@?#\\*]+$/.test(name) && URL.canParse(url)) {
    const { hostname, port } = new URL(url);
    if (port === '' && !/[^\]]:\d+$/.test(name)) return hostname.replace(/^\[|\]$/g, '');
  }
  throw new MmdeployError('usage.invalid', `\`--allow-remote-media ${name}\`: not a host's name`, {
    hints: [
      'a name alone, without scheme, port or wildcard: `--allow-remote-media images.example.org`',
    ],
  });
}
