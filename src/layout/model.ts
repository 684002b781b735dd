import type { EncoderModel, TextModel } from '../contracts/model.ts';
import { encoderTensors } from './encoder.ts';
import type { EncoderDims, EncoderFormat, KnownEncoderDims } from './encoder.ts';
import { quantise } from './quantise.ts';
import { layeredModel, textTensors } from './text.ts';
import type { TextDims } from './text.ts';

/**
 * A language model in a quant (`Q4_K_M`, `F16`, `Q4_K` …), from its dimensions alone.
 * Throws `usage.unknown-quant`.
 */
export function textModel(dims: TextDims, contextMax: number, quant = 'F16'): TextModel {
  const { arch, layers, embedding, heads, vocabulary } = dims;
  const { kvHeads, keyLength, valueLength, feedForward, hyper } = layeredModel(dims);
  const tensors = quantise(textTensors(dims), quant, { arch, layers, heads, kvHeads, hyper });
  return {
    arch,
    layers,
    embedding,
    feedForward,
    heads,
    kvHeads,
    keyLength,
    valueLength,
    vocabulary,
    contextMax,
    hyper,
    tensors,
  };
}

/** The same model, laid out in a float format, in another quant. Throws `usage.unknown-quant`. */
export function inQuant(text: TextModel, quant: string): TextModel {
  return { ...text, tensors: quantise(text.tensors, quant, text) };
}

/** An encoder in a format, from its dimensions alone; null when its projector's layout is not known. */
export function encoderModel(dims: KnownEncoderDims, format?: EncoderFormat): EncoderModel;
export function encoderModel(dims: EncoderDims, format?: EncoderFormat): EncoderModel | null;
export function encoderModel(
  dims: EncoderDims,
  format: EncoderFormat = 'F16',
): EncoderModel | null {
  const tensors = encoderTensors(dims, format);
  return tensors === null ? null : { ...dims, tensors };
}
