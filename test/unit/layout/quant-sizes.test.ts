import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { tensorBytes } from '../../../src/gguf/types.ts';
import { textModel } from '../../../src/layout/model.ts';
import type { TextDims } from '../../../src/layout/text.ts';
import { MIB, sum } from '../../../src/units.ts';

const fixture = new URL('../../fixtures/measurements/quant-sizes.yaml', import.meta.url);
const measured = parse(readFileSync(fixture, 'utf8')) as Record<
  string,
  { dims: TextDims; sizes: Record<string, number> }
>;

describe.each(Object.entries(measured))('%s against llama-quantize', (_id, { dims, sizes }) => {
  it.each(Object.entries(sizes))('%s', (quant, mib) => {
    const { tensors } = textModel(dims, 131072, quant);
    expect(sum(tensors.map(tensorBytes)) / MIB).toBeCloseTo(mib, 1);
  });
});
