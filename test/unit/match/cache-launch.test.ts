import { describe, expect, it } from 'vitest';
import { textModel } from '../../../src/layout/model.ts';
import { cacheFault } from '../../../src/match/cache-launch.ts';

const dims = {
  ...{ arch: 'llama', layers: 2, embedding: 640, heads: 8, kvHeads: 8, headSize: 80 },
  ...{ feedForward: 1024, vocabulary: 2000, tiedEmbeddings: false, qkvBias: false },
};
const plain = textModel({ ...dims, headSize: 128 }, 4096);
const latent = textModel(
  {
    ...{ ...dims, arch: 'deepseek2', headSize: 576, kvHeads: 1 },
    hyper: {
      'attention.kv_lora_rank': 512,
      'attention.key_length_mla': 192,
      'attention.value_length_mla': 128,
      'rope.dimension_count': 64,
    },
  },
  4096,
);
const types = (kvType: string, kvTypeV = kvType, flashAttention = true) => {
  return { kvType, kvTypeV, flashAttention };
};

/** Each of them was tried with llama-server 0.7.0 (build 11669). */
describe('cacheFault', () => {
  it('takes K and V of different types from models that keep both', () => {
    expect(cacheFault(plain, types('f16', 'q8_0'))).toBeNull();
    expect(cacheFault(plain, types('q8_0', 'f16'))).toBeNull();
  });

  it('refuses them where V lies within K, quantised or not', () => {
    for (const v of ['q8_0', 'bf16']) {
      expect(cacheFault(latent, types('f16', v))).toMatch(/deepseek2.*leave `--kv-type-v` out/);
    }
    expect(cacheFault(latent, types('q8_0'))).toBeNull();
  });

  it('refuses heads that are no whole blocks, with flash attention only', () => {
    const odd = textModel(dims, 4096);
    expect(cacheFault(odd, types('q8_0'))).toMatch(/heads of 80.*blocks of 32.*--kv-type f16/);
    expect(cacheFault(odd, types('f16'))).toBeNull();
    expect(cacheFault(odd, types('q8_0', 'f16', false))).toBeNull();
  });
});
