import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { EncoderModel } from '../../src/contracts/model.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { encoderOf } from './encoders.ts';

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

export function measuredEncoder(id: string): EncoderModel {
  const found = MEASURED_ENCODERS.find((entry) => entry.id === id);
  if (found === undefined) throw new Error(`no encoder ${id}`);
  return encoderOf(found.dims);
}
