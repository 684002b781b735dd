import { describe, expect, it } from 'vitest';
import { capabilityOf, computesFp8 } from '../../../../src/match/vllm/capability.ts';
import { memoryShare } from '../../../../src/match/vllm/memory-share.ts';
import { encoderPlacements, parallelFault } from '../../../../src/match/vllm/tensor-parallel.ts';
import type { DeviceInput } from '../../../../src/memory/types.ts';
import { describeProfile } from '../../../../src/profiles/describe.ts';
import { findModel } from '../../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../../src/profiles/load.ts';
import { GIB } from '../../../../src/units.ts';

const { profiles } = await loadProfiles({ user: '', flag: null });

function modelOf(id: string) {
  const model = describeProfile(findModel(profiles, id));
  if (model.text === null || model.encoder === null) throw new Error(`${id} is not self-hosted`);
  return { text: model.text, encoder: model.encoder };
}

function gpu(change: Partial<DeviceInput> = {}): DeviceInput {
  return {
    ...{ id: 'gpu0', name: 'a card', capacityBytes: 24 * GIB, freeBytes: null, backend: 'cuda' },
    computeCapability: '8.9',
    ...change,
  };
}

describe('tensor parallelism', () => {
  it.each([
    // 28 attention heads.
    ['qwen2.5-vl-7b', 'bf16', 8, /28 attention heads/],
    ['qwen2.5-vl-7b', 'bf16', 4, null],
    // 2 KV heads over 8 GPUs are repeated.
    ['qwen2.5-vl-3b', 'bf16', 8, null],
    // 18944 columns are 148 groups of 128.
    ['qwen2.5-vl-7b', 'awq', 4, null],
    // vllm-project/vllm issue 21695: 29568 inputs are 231 groups.
    ['internvl3-78b', 'awq', 2, /29568 inputs in groups of 128/],
    ['internvl3-78b', 'bf16', 2, null],
    // 151936 rows, padded to whole multiples of 64.
    ['qwen3-vl-8b', 'bf16', 3, /attention heads/],
  ] as const)('%s in %s over %i GPUs', (id, scheme, ranks, fault) => {
    const found = parallelFault(modelOf(id).text, scheme, ranks);
    if (fault === null) expect(found).toBeNull();
    else expect(found).toMatch(fault);
  });

  it.each([
    // InternViT-6B has 25 heads; vLLM keeps it whole.
    ['internvl2-26b', 2, { split: false, whole: true, fault: null }],
    // It divides, and vLLM can keep it whole: nothing is exchanged then.
    ['internvl2-2b', 2, { split: false, whole: true, note: null, fault: null }],
    // 3420 columns of the feed-forward.
    ['qwen2.5-vl-3b', 8, { split: false, whole: true, fault: null }],
    ['gemma-3-12b', 16, { split: true, whole: false, fault: null }],
  ] as const)('the tower of %s on %i GPUs', (id, ranks, placed) => {
    expect(encoderPlacements(modelOf(id).encoder, ranks)[0]).toMatchObject(placed);
  });

  it('falls back to a tower in parts, which takes less, where it can be divided', () => {
    const kinds = encoderPlacements(modelOf('qwen2.5-vl-72b').encoder, 2);
    expect(kinds.map(({ split, whole }) => ({ split, whole }))).toEqual([
      { split: false, whole: true },
      { split: true, whole: false },
    ]);
  });

  it('refuses a tower that neither divides nor may lie whole', () => {
    const { encoder } = modelOf('gemma-3-12b');
    expect(encoderPlacements(encoder, 3)[0].fault).toMatch(
      /16 attention heads of the vision tower/,
    );
  });
});

describe('the GPU that vLLM is to run on', () => {
  const judge = (change: Partial<DeviceInput>, format: 'BF16' | 'FP8' | 'INT4', arch = 'qwen2vl') =>
    capabilityOf([gpu(change)], format, arch, 'bf16');

  it('takes FP16 where there is no BF16, unless the model cannot', () => {
    const turing = { computeCapability: '7.5' };
    expect(judge(turing, 'BF16')).toMatchObject({ fault: null, half: true });
    expect(judge(turing, 'BF16').notes.join()).toMatch(/--dtype half/);
    expect(judge(turing, 'BF16', 'gemma3').fault).toMatch(/not run this model in FP16/);
    expect(judge({ computeCapability: '8.0' }, 'BF16')).toMatchObject({ half: false, notes: [] });
  });

  it('says where FP8 only saves memory', () => {
    expect(judge({ computeCapability: '8.6' }, 'FP8').notes.join()).toMatch(/not time/);
    expect(judge({ computeCapability: '9.0' }, 'FP8').notes).toEqual([]);
    expect(computesFp8([gpu(), gpu({ computeCapability: '8.6' })])).toBe(false);
    expect(computesFp8([gpu(), gpu({ computeCapability: '12.0' })])).toBe(true);
  });

  it('refuses what vLLM has no build for', () => {
    expect(judge({ computeCapability: '6.1' }, 'BF16').fault).toMatch(/6\.1, and vLLM needs 7\.5/);
    const amd = { backend: 'rocm', computeCapability: null };
    expect(judge({ ...amd, name: 'MI300X' }, 'FP8').fault).toBeNull();
    expect(judge({ ...amd, name: 'Radeon RX 7900 XTX' }, 'FP8').fault).toMatch(/MI300/);
    expect(judge({ ...amd, name: 'MI100' }, 'BF16').fault).toMatch(/ROCm build/);
    expect(judge({ backend: 'metal', computeCapability: null }, 'BF16').fault).toMatch(/neither/);
  });

  it('says what it cannot check', () => {
    const unknown = judge({ backend: null, computeCapability: null }, 'BF16');
    expect(unknown).toMatchObject({ fault: null, half: false });
    expect(unknown.notes.join()).toMatch(/not known/);
  });
});

describe('--gpu-memory-utilization', () => {
  it('is the default where nothing else uses the card', () => {
    expect(memoryShare([gpu()], 20 * GIB)).toEqual({ share: 0.9, limitedBy: null, raised: false });
  });

  it('stays below what is free, with room for the CUDA context, on every card', () => {
    const shown = gpu({ id: 'gpu1', freeBytes: 20 * GIB });
    const { share, limitedBy } = memoryShare([gpu(), shown], 10 * GIB);
    // (20 - 0.5) / 24
    expect(share).toBe(0.81);
    expect(limitedBy?.id).toBe('gpu1');
  });

  it('is raised only where the model needs it, and no further than 0.95', () => {
    expect(memoryShare([gpu()], 22.5 * GIB)).toMatchObject({ share: 0.95, raised: true });
    expect(memoryShare([gpu()], 23.5 * GIB)).toMatchObject({ share: 0.9, raised: false });
    const shown = gpu({ freeBytes: 20 * GIB });
    expect(memoryShare([shown], 22.5 * GIB)).toMatchObject({ share: 0.81, raised: false });
  });
});
