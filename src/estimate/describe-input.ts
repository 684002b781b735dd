import type { EstimateInput } from '../contracts/estimate.ts';
import { MmdeployError } from '../errors.ts';
import { checkSize } from '../tokens/rules/define.ts';

const MAX_COUNT = 1_000_000_000;

const BLANK = {
  width: null,
  height: null,
  turned: false,
  format: null,
  seconds: null,
  text: null,
  textTokens: null,
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
  },
): EstimateInput {
  return { ...BLANK, input, modality: 'image', ...image };
}

export function textInput(input: string, text: string): EstimateInput {
  return { ...BLANK, input, modality: 'text', text };
}

/** `--image 1920x1080` or `1920x1080*20`. Throws `usage.invalid`. */
export function parseImageDescription(text: string): EstimateInput {
  const match = /^\s*(\d+)\s*[x×]\s*(\d+)\s*(?:\*\s*(\d+)\s*)?$/i.exec(text);
  if (!match) {
    throw invalid('image', text, 'WIDTHxHEIGHT pixels, or WIDTHxHEIGHT*COUNT', '1920x1080*20');
  }
  const size = checkSize({ width: Number(match[1]), height: Number(match[2]) });
  const count = match[3] === undefined ? 1 : Number(match[3]);
  if (count < 1 || count > MAX_COUNT) {
    throw invalid('image', text, `a count from 1 to ${MAX_COUNT}`, '1920x1080*20');
  }
  const input = `${size.width}x${size.height}`;
  return { ...BLANK, input, modality: 'image', ...size, count };
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
