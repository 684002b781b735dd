import { describe, expect, it } from 'vitest';
import type { VllmScheme } from '../../../../src/memory/vllm/formats.ts';
import { encoderWeights, textWeights } from '../../../../src/memory/vllm/weights.ts';
import { describeProfile } from '../../../../src/profiles/describe.ts';
import { findModel } from '../../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../../src/profiles/load.ts';

/**
 * Safetensors files of published checkpoints, bytes as the Hub prints them on the repository's page
 * (`tree/main`), each rounded to three digits: GB are 10^9.
 */
const GB = 1e9;
const PUBLISHED: readonly (readonly [
  repository: string,
  profile: string,
  scheme: VllmScheme,
  bytes: number,
])[] = [
  [
    'RedHatAI/Qwen2.5-VL-7B-Instruct-FP8-Dynamic',
    'qwen2.5-vl-7b',
    'fp8',
    (4.94 + 4.03 + 1.09) * GB,
  ],
  [
    'nm-testing/Qwen2.5-VL-7B-Instruct-quantized.w4a16',
    'qwen2.5-vl-7b',
    'w4a16',
    (4.98 + 1.92) * GB,
  ],
  ['Qwen/Qwen2-VL-7B-Instruct-AWQ', 'qwen2-vl-7b', 'awq', (3.98 + 2.94) * GB],
  [
    'nm-testing/Qwen2-VL-72B-Instruct-quantized.w4a16',
    'qwen2-vl-72b',
    'w4a16',
    (5 + 7 * 4.98 + 2.74) * GB,
  ],
  ['OpenGVLab/InternVL2-2B-AWQ', 'internvl2-2b', 'awq', (1.77 + 0.404) * GB],
  // In GiB, with a tokenizer of 16 MB.
  ['mbehr90/Qwen3-VL-8B-Instruct-fp8', 'qwen3-vl-8b', 'fp8', 9.87 * 1024 ** 3 - 0.016 * GB],
];

const { profiles } = await loadProfiles({ user: '', flag: null });

describe('weights of vLLM formats, from dimensions alone', () => {
  it.each(PUBLISHED)('%s', (_, id, scheme, bytes) => {
    const { text, encoder } = describeProfile(findModel(profiles, id));
    if (text === null || encoder === null) throw new Error(`${id} is not self-hosted`);
    // On the GPU the tables are filled up to whole multiples of 64 rows.
    const padded = (Math.ceil(text.vocabulary / 64) * 64 - text.vocabulary) * text.embedding * 2;
    const tables = text.tensors.filter(({ name }) => /^(token_embd|output)\./.test(name)).length;
    const stored =
      textWeights(text, scheme, 1).bytes +
      encoderWeights(encoder, 1, false).bytes -
      tables * padded;
    // Each file's size is rounded in the third digit.
    expect(Math.abs(stored - bytes) / bytes).toBeLessThan(0.002);
  });

  it('splits all of a language model but its norms', () => {
    const { text } = describeProfile(findModel(profiles, 'qwen2.5-vl-72b'));
    if (text === null) throw new Error('not self-hosted');
    const [one, two, sixteen] = [1, 2, 16].map((ranks) => textWeights(text, 'bf16', ranks).bytes);
    expect(two ?? 0).toBeGreaterThan((one ?? 0) / 2);
    expect((two ?? 0) / ((one ?? 1) / 2)).toBeCloseTo(1, 3);
    // 8 KV heads over 16 GPUs: each keeps a whole one, twice its even share.
    const kvBytes = 2 * 80 * (8192 + 1) * 8 * 128 * 2;
    expect((sixteen ?? 0) - (one ?? 0) / 16).toBeGreaterThan(kvBytes / 16);
  });
});
