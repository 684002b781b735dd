import { describe, expect, it } from 'vitest';
import { computeFor } from '../../../src/memory/encoder.ts';
import { largestPictures } from '../../../src/memory/encoder-image.ts';
import { cutEncoder, deepstackLayers } from '../../../src/simulate/cut-encoder.ts';
import { measuredEncoder } from '../../helpers/measured-encoders.ts';

describe('cutEncoder', () => {
  it.each(['qwen2.5-vl-7b', 'qwen3-vl-8b', 'qwen3-vl-2b', 'pixtral-12b'])(
    'keeps a few blocks of %s that need as much as all',
    (id) => {
      const encoder = measuredEncoder(id);
      const pictures = largestPictures(encoder, null);
      const bytes = (of: typeof encoder) => computeFor(of, pictures, 'flash').device.bytes;
      const cut = cutEncoder(encoder, (candidate) => bytes(candidate) === bytes(encoder));
      expect(cut.layers).toBeLessThanOrEqual(8);
      const blocks = new Set(
        cut.tensors.flatMap(({ name }) => /^v\.blk\.(\d+)\./.exec(name)?.[1] ?? []),
      );
      expect([...blocks].map(Number)).toEqual(Array.from({ length: cut.layers }, (_, i) => i));
      expect(deepstackLayers(cut)).toHaveLength(deepstackLayers(encoder).length);
      expect(Math.max(-1, ...deepstackLayers(cut))).toBeLessThan(cut.layers);
    },
  );

  it('leaves whole what no cut is like, its ears apart', () => {
    const ears = measuredEncoder('pixtral-12b');
    const encoder = { ...measuredEncoder('qwen2.5-vl-7b'), audio: ears };
    const whole = cutEncoder(encoder, () => false);
    expect(whole.layers).toBe(encoder.layers);
    expect(whole.tensors).toBe(encoder.tensors);
    expect(whole).not.toHaveProperty('audio');
  });
});
