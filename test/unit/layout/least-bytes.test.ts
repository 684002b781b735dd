import { expect, it } from 'vitest';
import { tensorBytes } from '../../../src/gguf/types.ts';
import { inQuant, textModel } from '../../../src/layout/model.ts';
import { QUANT_NAMES, leastBlockBytes } from '../../../src/layout/quantise.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';
import { sum } from '../../../src/units.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });
const texts = profiles.flatMap(({ id, text }) =>
  text ? [[id, textModel(text, text.context)] as const] : [],
);

it.each(texts)('%s: no quant is smaller than what it is ruled out by', (_id, text) => {
  for (const quant of QUANT_NAMES) {
    const blocks = inQuant(text, quant).tensors.filter(({ name }) => name.startsWith('blk.'));
    const bytes = sum(blocks.map(tensorBytes));
    const least = leastBlockBytes(text.tensors, quant);
    expect(least, quant).toBeLessThanOrEqual(bytes);
  }
});

it.each(texts)('%s: that is not far from what it takes', (_id, text) => {
  for (const quant of ['Q8_0', 'Q6_K', 'Q4_K_M']) {
    const blocks = inQuant(text, quant).tensors.filter(({ name }) => name.startsWith('blk.'));
    const least = leastBlockBytes(text.tensors, quant);
    expect(least, quant).toBeGreaterThan(0.6 * sum(blocks.map(tensorBytes)));
  }
});
