import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { EncoderModel } from '../../src/contracts/model.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { encoderModel } from '../../src/layout/model.ts';

type MeasuredEncoder = {
  readonly id: string;
  readonly parameters: number | null;
  readonly dims: EncoderDims;
  readonly load: { readonly device: number; readonly cpu: number };
  readonly peak?: { readonly image: string; readonly device: number; readonly within?: number };
};

const fixture = new URL('../fixtures/measurements/encoders.yaml', import.meta.url);

/** Published projectors with what llama-server reserved for them. */
export const MEASURED_ENCODERS = parse(readFileSync(fixture, 'utf8')) as MeasuredEncoder[];

export function encoderOf(dims: EncoderDims): EncoderModel {
  const encoder = encoderModel(dims);
  if (encoder === null) throw new Error(`${dims.projectorType} has no layout`);
  return encoder;
}

export function measuredEncoder(id: string): EncoderModel {
  const found = MEASURED_ENCODERS.find((entry) => entry.id === id);
  if (found === undefined) throw new Error(`no encoder ${id}`);
  return encoderOf(found.dims);
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
