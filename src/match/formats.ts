import { MmdeployError } from '../errors.ts';
import type { EncoderFormat } from '../layout/encoder.ts';

/** Weight formats that the search tries, best first: the contract takes the highest up to Q8_0. */
export const QUANT_LADDER = ['Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'Q3_K_M', 'Q2_K'] as const;
/** Weight formats from the most faithful to the least: what `quant>=` compares with. */
export const QUANT_ORDER: readonly string[] = [
  ...['F32', 'BF16', 'F16', 'Q8_0', 'FP8', 'INT8', 'Q6_K', 'Q5_K_M', 'Q5_K_S', 'Q5_1', 'Q5_0'],
  ...['Q4_K_M', 'Q4_1', 'Q4_K_S', 'IQ4_NL', 'Q4_0', 'IQ4_XS', 'INT4'],
  ...['Q3_K_L', 'Q3_K_M', 'Q3_K_S', 'Q2_K'],
];
/** Encoder formats that the search tries, best first: encoders are small and sensitive to rounding. */
export const ENCODER_LADDER = ['F16', 'Q8_0'] as const;
/** What others are made of, best first: the converter's usual output, then what is not quantised either. */
export const FLOAT_FORMATS = ['F16', 'BF16', 'F32'] as const;
/** What `--encoder-quant` takes. */
export const ENCODER_FORMATS = ['F32', 'F16', 'BF16', 'Q8_0'] as const;

/** An encoder format as the layouts name it. Throws `usage.unknown-quant`. */
export function encoderFormat(name: string): EncoderFormat {
  const found = ENCODER_FORMATS.find((format) => format === name.toUpperCase());
  if (found !== undefined) return found;
  throw new MmdeployError('usage.unknown-quant', `unknown encoder format \`${name}\``, {
    hints: [`\`--encoder-quant\` takes ${ENCODER_FORMATS.join(', ')}`],
  });
}
