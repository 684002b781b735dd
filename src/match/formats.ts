import type { ModelDescription } from '../contracts/model.ts';
import { encoderAs } from '../layout/encoder.ts';
import { quantise } from '../layout/quantise.ts';
import type { Formats } from './types.ts';

/** Weight formats that the search tries, best first: the contract takes the highest up to Q8_0. */
export const QUANT_LADDER = ['Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'Q3_K_M', 'Q2_K'] as const;
/** Encoder formats that the search tries, best first: encoders are small and sensitive to rounding. */
export const ENCODER_LADDER = ['F16', 'Q8_0'] as const;
/** What `--encoder-quant` takes. */
export const ENCODER_FORMATS = ['F32', 'F16', 'BF16', 'Q8_0'] as const;
export type EncoderQuant = (typeof ENCODER_FORMATS)[number];

/** `model` with its tensors in these formats; a GGUF file is what it is and comes back unchanged. */
export function inFormats(model: ModelDescription, formats: Formats): ModelDescription {
  if (model.basis === 'gguf' || model.text === null) return model;
  const { text, encoder } = model;
  const tensors = quantise(text.tensors, formats.quant, {
    arch: text.arch,
    layers: text.layers,
    heads: text.heads,
    kvHeads: Math.max(...text.kvHeads),
  });
  return {
    ...model,
    quant: formats.quant,
    encoderQuant: formats.encoderQuant,
    text: { ...text, tensors },
    encoder:
      encoder === null || formats.encoderQuant === null
        ? encoder
        : {
            ...encoder,
            tensors: encoderAs(encoder.tensors, formats.encoderQuant as EncoderQuant),
          },
  };
}
