import type { EncoderModel, TextModel } from '../contracts/model.ts';
import { encoderTensors } from './encoder.ts';
import type { EncoderDims, EncoderFormat, KnownEncoderDims } from './encoder.ts';
import { quantise } from './quantise.ts';
import { layeredModel, textTensors } from './text.ts';
import type { TextDims } from './text.ts';

/**
 * A language model in a quant (`Q4_K_M`, `F16`, `Q4_K` …), from its dimensions alone. Equal models are one
 * object: many profiles are the same language model behind another tower, or the other way round.
 * Throws `usage.unknown-quant`.
 */
export function textModel(dims: TextDims, contextMax: number, quant = 'F16'): TextModel {
  return remembered(TEXTS, JSON.stringify([dims, contextMax, quant]), () =>
    layOutText(dims, contextMax, quant),
  );
}

function layOutText(dims: TextDims, contextMax: number, quant: string): TextModel {
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
  const known = QUANTISED.get(text) ?? new Map<string, TextModel>();
  QUANTISED.set(text, known);
  return remembered(known, quant, () => ({
    ...text,
    tensors: quantise(text.tensors, quant, text),
  }));
}

/** An encoder in a format, from its dimensions alone, equal ones as one object; null when its projector's layout is not known. */
export function encoderModel(dims: KnownEncoderDims, format?: EncoderFormat): EncoderModel;
export function encoderModel(dims: EncoderDims, format?: EncoderFormat): EncoderModel | null;
export function encoderModel(
  dims: EncoderDims,
  format: EncoderFormat = 'F16',
): EncoderModel | null {
  return remembered(ENCODERS, JSON.stringify([dims, format]), () => {
    const tensors = encoderTensors(dims, format);
    return tensors === null ? null : { ...dims, tensors };
  });
}

const TEXTS = new Map<string, TextModel>();
const ENCODERS = new Map<string, EncoderModel | null>();
const QUANTISED = new WeakMap<TextModel, Map<string, TextModel>>();

function remembered<T>(known: Map<string, T>, key: string, make: () => T): T {
  const before = known.get(key);
  if (before !== undefined) return before;
  const made = make();
  known.set(key, made);
  return made;
}
