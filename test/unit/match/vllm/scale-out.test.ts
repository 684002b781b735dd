import { describe, expect, it } from 'vitest';
import { NO_WISHES, type Wishes } from '../../../../src/match/types.ts';
import { scaleOut } from '../../../../src/match/vllm/scale-out.ts';
import type { VllmVariant } from '../../../../src/match/vllm/types.ts';
import type { DeviceInput } from '../../../../src/memory/types.ts';
import { describeProfile } from '../../../../src/profiles/describe.ts';
import { findModel } from '../../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../../src/profiles/load.ts';
import { GIB, sum } from '../../../../src/units.ts';

const { profiles } = await loadProfiles({ user: '', flag: null });

/** The model in BF16, and converted to FP8 as it is loaded. */
function variantsOf(id: string): readonly VllmVariant[] {
  const model = describeProfile(findModel(profiles, id));
  const { text } = model;
  if (text === null) throw new Error(`${id} is not self-hosted`);
  const common = { repository: id, model: { ...model, text } };
  return [
    { ...common, format: 'BF16', scheme: 'bf16', quantization: null },
    { ...common, format: 'FP8', scheme: 'fp8', quantization: 'fp8' },
  ];
}

function cards(count: number, gib: number, change: Partial<DeviceInput> = {}): DeviceInput[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ id: `gpu${index}`, name: 'a card', capacityBytes: gib * GIB, freeBytes: null },
    ...{ backend: 'cuda', computeCapability: '8.9', ...change },
  }));
}

const workload = (users: number, contextPerSlot = 8192): Wishes => ({
  ...NO_WISHES,
  contextPerSlot,
  minimum: { slots: users, contextPerSlot: null, quant: null },
});

const USERS = [1, 2, 3, 5, 8, 13, 40, 100, 256, 257, 1000, 4000];

describe('the machines that hold what one does not', () => {
  it.each([
    ['llava-1.5-7b', cards(1, 24)],
    ['qwen2.5-vl-7b', cards(4, 16)],
    ['qwen2.5-vl-7b', cards(8, 80)],
    ['qwen2.5-vl-72b', cards(2, 48)],
    ['qwen2.5-vl-72b', cards(1, 24)],
    ['gemma-3-27b', cards(3, 24)],
  ] as const)('%s: more users never take fewer, and each copy fits', (id, gpus) => {
    const variants = variantsOf(id);
    let before = 0;
    for (const users of USERS) {
      const found = scaleOut(variants, gpus, workload(users));
      if (found === null) throw new Error(`nothing for ${users} users`);
      const { choice, copies, machines } = found;
      const where = `${users} users`;
      expect(machines, where).toBeGreaterThanOrEqual(before);
      before = machines;
      expect(choice.verdict, where).not.toBe('no');
      expect(choice.fault, where).toBeNull();
      expect(choice.slots * copies, where).toBeGreaterThanOrEqual(users);
      expect(choice.slots, where).toBeLessThanOrEqual(found.users);
      // Every card holds its part, and no card is given out twice.
      for (const { items, capacityBytes } of choice.devices) {
        expect(sum(items.map(({ bytes }) => bytes))).toBeLessThanOrEqual(capacityBytes ?? 0);
      }
      const groups = machines * Math.floor(gpus.length / choice.gpus.length);
      expect(copies * (choice.stages ?? 1), where).toBeLessThanOrEqual(groups);
    }
  });

  it('takes copies in proportion to the users', () => {
    const variants = variantsOf('qwen2.5-vl-7b');
    const on = (users: number) => scaleOut(variants, cards(1, 24), workload(users));
    const held = on(1)?.users ?? NaN;
    expect(held).toBeGreaterThan(1);
    expect(on(held)).toMatchObject({ copies: 1, machines: 1 });
    expect(on(held + 1)).toMatchObject({ copies: 2, machines: 2 });
    expect(on(10 * held)).toMatchObject({ copies: 10, machines: 10 });
  });

  it('cuts a model over machines only where it fits no single one', () => {
    const variants = variantsOf('qwen2.5-vl-72b');
    // 73.4 G parameters are 137 GiB in BF16 and about 75 in FP8.
    const across = scaleOut(variants, cards(2, 24), workload(1));
    expect(across?.choice.stages).toBeGreaterThan(1);
    expect(across?.choice.gpus).toHaveLength(2);
    const within = scaleOut(variants, cards(4, 24), workload(1));
    expect(within?.choice.stages).toBeUndefined();
  });

  it('gives each of several machines a part of the layers', () => {
    const [bf16] = variantsOf('qwen2.5-vl-72b');
    if (bf16 === undefined) throw new Error('no variant');
    const found = scaleOut([bf16], cards(2, 48), workload(1));
    const weights = found?.choice.devices[0]?.items.find(({ part }) => part === 'weights');
    expect(found?.choice.stages).toBe(2);
    expect(weights?.formula).toMatch(/split over 2 GPUs .*, 40 of 80 layers$/);
    // A quarter, and the tables before and after all layers, which no machine has both of.
    const parameters = sum(
      bf16.model.text.tensors.map(({ shape }) => shape.reduce((a, b) => a * b)),
    );
    const share = (weights?.bytes ?? 0) / (2 * parameters);
    expect(share).toBeGreaterThan(0.25);
    expect(share).toBeLessThan(0.27);
  });

  it('has nothing for GPUs that vLLM does not run on, nor for a sequence that fits nowhere', () => {
    const variants = variantsOf('qwen2.5-vl-7b');
    expect(scaleOut(variants, cards(1, 24, { backend: 'metal' }), workload(9))).toBeNull();
    expect(scaleOut(variants, cards(1, 24, { computeCapability: '6.1' }), workload(9))).toBeNull();
    expect(scaleOut(variants, [], workload(9))).toBeNull();
    expect(scaleOut(variantsOf('llava-1.5-7b'), cards(1, 4), workload(1, 4_000_000))).toBeNull();
  });
});
