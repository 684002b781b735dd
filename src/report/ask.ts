import type { AskResult } from '../contracts/ask.ts';
import type { Palette } from './palette.ts';

/**
 * What follows a streamed answer: one line of tokens, estimated against billed, and a second one when
 * the answer was cut. The answer itself is not repeated.
 */
export function askReport(result: AskResult, palette: Palette): string {
  const lines = [
    `${palette.bold('tokens')}  ${estimatedPart(result)}; billed ${amount(result.billed)}${verdict(result, palette)}; answer ${amount(result.completionTokens)}`,
  ];
  if (result.finishReason === 'length') {
    lines.push(palette.dim('the answer was cut at its token limit (`--max-tokens` allows more)'));
  }
  return `${lines.join('\n')}\n`;
}

function estimatedPart({ estimated }: AskResult): string {
  if (estimated === null) return 'estimated unknown (this server gives no estimate)';
  const { total, text, image, wrapper, confidence } = estimated;
  if (total === null) return 'estimated unknown (no rule for an image of this model)';
  const parts = `text ${text}, image ${amount(image)}, wrapper ${amount(wrapper)}`;
  return `estimated ${total} (${parts}; ${confidence})`;
}

function verdict({ difference }: AskResult, palette: Palette): string {
  if (difference === null) return '';
  if (difference === 0) return ` ${palette.good('(equal)')}`;
  return ` ${palette.bad(`(${difference > 0 ? '+' : ''}${difference})`)}`;
}

function amount(tokens: number | null): string {
  return tokens === null ? 'unknown' : String(tokens);
}
