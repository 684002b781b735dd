import type { EncoderModel } from '../../src/contracts/model.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { encoderModel } from '../../src/layout/model.ts';

export function encoderOf(dims: EncoderDims): EncoderModel {
  const encoder = encoderModel(dims);
  if (encoder === null) throw new Error(`${dims.projectorType} has no layout`);
  return encoder;
}

/** Dimensions of a tower that loads at once; what decides the count is given as published. */
export const small = (dims: Partial<EncoderDims> & { projectorType: string }): EncoderDims => ({
  layers: 1,
  embedding: 64,
  feedForward: 128,
  heads: 2,
  patchSize: 14,
  imageSize: 336,
  merge: 1,
  projectionDim: 128,
  ...dims,
});
