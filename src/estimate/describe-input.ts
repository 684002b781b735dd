import type { Modality } from '../contracts/basis.ts';
import type { EstimateInput } from '../contracts/estimate.ts';
import { MmdeployError } from '../errors.ts';
import { checkSize } from '../tokens/rules/define.ts';

const MAX_COUNT = 1_000_000_000;

const BLANK = {
  width: null,
  height: null,
  turned: false,
  format: null,
  frames: null,
  document: null,
  seconds: null,
  samples16k: null,
  fps: null,
  soundSeconds: null,
  text: null,
  textTokens: null,
  detail: null,
  count: 1,
} as const;

/** An image that was read from a file, size upright. */
export function imageInput(
  input: string,
  image: {
    readonly width: number;
    readonly height: number;
    readonly turned: boolean;
    readonly format: string;
    readonly frames?: number;
    readonly document?: string;
  },
): EstimateInput {
  const { width, height, turned, format, frames = null, document = null } = image;
  // Spelled out: spreading `BLANK` would be the slowest line between a million files and their sizes.
  return {
    input,
    modality: 'image',
    width,
    height,
    turned,
    format,
    frames,
    document,
    seconds: null,
    samples16k: null,
    fps: null,
    soundSeconds: null,
    detail: null,
    text: null,
    textTokens: null,
    count: 1,
  };
}

export function textInput(
  input: string,
  text: string,
  document: string | null = null,
): EstimateInput {
  return { ...BLANK, input, modality: 'text', text, document };
}

/** A sound that was read from a file. */
export function audioInput(
  input: string,
  sound: {
    readonly seconds: number;
    readonly format: string;
    readonly samples16k?: number | null;
  },
): EstimateInput {
  return { ...BLANK, input, modality: 'audio', ...sound };
}

/** A film that was read from a file, its size as it is shown. */
export function videoInput(
  input: string,
  film: Required<Pick<EstimateInput, 'width' | 'height' | 'seconds' | 'format'>> &
    Partial<Pick<EstimateInput, 'fps' | 'soundSeconds' | 'turned'>>,
): EstimateInput {
  return { ...BLANK, input, modality: 'video', ...film };
}

/** `--image 1920x1080` or `1920x1080*20`. Throws `usage.invalid`. */
export function parseImageDescription(text: string): EstimateInput {
  const match = /^\s*(\d+)\s*[x×]\s*(\d+)\s*(?:\*\s*(\d+)\s*)?$/i.exec(text);
  if (!match) {
    throw invalid('image', text, 'WIDTHxHEIGHT pixels, or WIDTHxHEIGHT*COUNT', '1920x1080*20');
  }
  const size = checkSize({ width: Number(match[1]), height: Number(match[2]) });
  const count = countOf('image', text, match[3], '1920x1080*20');
  const input = `${size.width}x${size.height}`;
  return { ...BLANK, input, modality: 'image', ...size, count };
}

/** An input of a workload, which has its sizes already. */
export function describedInput(
  modality: Modality,
  size: Partial<Pick<EstimateInput, 'width' | 'height' | 'seconds' | 'textTokens'>> & {
    readonly count: number;
  },
): EstimateInput {
  return { ...BLANK, input: modality, modality, ...size };
}

type Facts = Partial<Omit<EstimateInput, 'input' | 'modality'>>;

/**
 * An input of known facts under a name of its own: a line of a manifest. Written out because a manifest
 * has millions of them, and an object literal takes a tenth of what spreading takes.
 */
export function namedInput(input: string, modality: Modality, facts: Facts): EstimateInput {
  return {
    input,
    modality,
    width: facts.width ?? null,
    height: facts.height ?? null,
    turned: facts.turned ?? false,
    format: facts.format ?? null,
    frames: facts.frames ?? null,
    document: facts.document ?? null,
    seconds: facts.seconds ?? null,
    samples16k: facts.samples16k ?? null,
    fps: facts.fps ?? null,
    soundSeconds: facts.soundSeconds ?? null,
    text: facts.text ?? null,
    textTokens: facts.textTokens ?? null,
    detail: facts.detail ?? null,
    count: facts.count ?? 1,
  };
}

const LENGTH = String.raw`(\d+(?:\.\d+)?)\s*s?`;
const TIMES = String.raw`(?:\*\s*(\d+)\s*)?`;
const AUDIO = new RegExp(String.raw`^\s*${LENGTH}\s*${TIMES}$`, 'i');
const VIDEO = new RegExp(
  String.raw`^\s*${LENGTH}\s*@\s*(\d+)\s*[x×]\s*(\d+)\s*(?:@\s*(\d+(?:\.\d+)?)\s*)?${TIMES}$`,
  'i',
);

/** `--audio 30s` or `--audio 29.9s*20`. Throws `usage.invalid`. */
export function parseAudioDescription(text: string): EstimateInput {
  const match = AUDIO.exec(text);
  const seconds = Number(match?.[1]);
  if (!match || !(seconds > 0)) {
    throw invalid('audio', text, 'SECONDSs above zero, or SECONDSs*COUNT', '30s*20');
  }
  const count = countOf('audio', text, match[2], '30s*20');
  return { ...BLANK, input: `${seconds}s`, modality: 'audio', seconds, count };
}

/** `--video 10s@1280x720`, with `@30` its frames a second, `*5` its count. Throws `usage.invalid`. */
export function parseVideoDescription(text: string): EstimateInput {
  const match = VIDEO.exec(text);
  const seconds = Number(match?.[1]);
  if (!match || !(seconds > 0)) {
    throw invalid('video', text, 'SECONDSs@WIDTHxHEIGHT[@FPS][*COUNT]', '10s@1280x720@30');
  }
  const size = checkSize({ width: Number(match[2]), height: Number(match[3]) });
  const fps = match[4] === undefined ? null : Number(match[4]);
  const count = countOf('video', text, match[5], '10s@1280x720*5');
  const input = `${seconds}s@${size.width}x${size.height}${fps === null ? '' : `@${fps}`}`;
  return { ...BLANK, input, modality: 'video', ...size, seconds, fps, count };
}

function countOf(flag: string, text: string, given: string | undefined, example: string): number {
  const count = given === undefined ? 1 : Number(given);
  if (count >= 1 && count <= MAX_COUNT) return count;
  throw invalid(flag, text, `a count from 1 to ${MAX_COUNT}`, example);
}

/** `--text-tokens 500`: text whose length in tokens is known. Throws `usage.invalid`. */
export function parseTextTokens(value: string | number): EstimateInput {
  const tokens = typeof value === 'number' ? value : Number(value.trim() || Number.NaN);
  if (!Number.isSafeInteger(tokens) || tokens < 0) {
    throw invalid('text-tokens', String(value), 'a whole number of tokens', '500');
  }
  return { ...BLANK, input: `${tokens} text tokens`, modality: 'text', textTokens: tokens };
}

function invalid(flag: string, value: string, wanted: string, example: string): MmdeployError {
  return new MmdeployError('usage.invalid', `\`--${flag} ${value}\`: not ${wanted}`, {
    hints: [`as in \`mmdeploy estimate --${flag} ${example} --model gpt-4o\``],
  });
}
