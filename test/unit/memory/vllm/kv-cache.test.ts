import { describe, expect, it } from 'vitest';
import type { TextModel } from '../../../../src/contracts/model.ts';
import { vllmKvCache } from '../../../../src/memory/vllm/kv-cache.ts';
import { describeProfile } from '../../../../src/profiles/describe.ts';
import { findModel } from '../../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../../src/profiles/load.ts';

const { profiles } = await loadProfiles({ user: '', flag: null });

function textOf(id: string): TextModel {
  const { text } = describeProfile(findModel(profiles, id));
  if (text === null) throw new Error(`${id} is not self-hosted`);
  return text;
}

const SETTINGS = {
  contextPerSlot: 4096,
  slots: 1,
  kvType: 'bf16',
  batchedTokens: 2048,
  ranks: 1,
} as const;

describe("vLLM's cache", () => {
  it('is whole blocks of 16 tokens for every sequence, and one of its own', () => {
    const text = textOf('qwen2.5-vl-7b');
    // 28 layers, 4 KV heads of 128.
    const block = 28 * 16 * 4 * (128 + 128) * 2;
    expect(vllmKvCache(text, SETTINGS).bytes).toBe((4096 / 16 + 1) * block);
    expect(vllmKvCache(text, { ...SETTINGS, contextPerSlot: 4097, slots: 3 }).bytes).toBe(
      (257 * 3 + 1) * block,
    );
    expect(vllmKvCache(text, { ...SETTINGS, kvType: 'fp8' }).bytes).toBe((257 * block) / 2);
  });

  it('is split by KV heads, and repeats them where there are fewer than GPUs', () => {
    const text = textOf('qwen2.5-vl-3b');
    const one = vllmKvCache(text, SETTINGS).bytes;
    expect(vllmKvCache(text, { ...SETTINGS, ranks: 2 }).bytes).toBe(one / 2);
    expect(vllmKvCache(text, { ...SETTINGS, ranks: 8 }).bytes).toBe(one / 2);
  });

  /**
   * vllm/v1/core/kv_cache_utils.py: Gemma 3 27B has 10 full and 52 windowed layers, so groups of 10 layers:
   * one full and six windowed, the last filled up.
   */
  it('groups full and windowed layers', () => {
    const text = textOf('gemma-3-27b');
    const full = text.hyper['attention.sliding_window'];
    expect(full).toBe(1024);
    const page = 16 * 16 * (128 + 128) * 2;
    const windowed = Math.ceil((1024 - 1 + 2048) / 16) + 1;
    const context = 32768;
    expect(vllmKvCache(text, { ...SETTINGS, contextPerSlot: context, slots: 2 }).bytes).toBe(
      10 * page * (2 * (context / 16 + 6 * windowed) + 1),
    );
  });
});
