import { describe, expect, it } from 'vitest';
import type { DeviceMemory } from '../../../src/contracts/plan.ts';
import {
  differencesOf,
  figuresOf,
  peakDifference,
  withFigures,
  withPeak,
} from '../../../src/simulate/apply-layout.ts';
import { encoderArgs, layoutArgs } from '../../../src/simulate/plan-args.ts';
import { MIB } from '../../../src/units.ts';

const item = (part: DeviceMemory['items'][number]['part'], mib: number) => ({
  part,
  bytes: mib * MIB,
  basis: 'profile' as const,
  formula: 'f',
});

/** 1000.5 + 100 + 200 + 50 + 20 + 10 MiB, growing by 30 at the largest image. */
const gpu: DeviceMemory = {
  id: 'gpu0',
  name: 'card',
  capacityBytes: null,
  freeBytes: null,
  items: [
    item('weights', 1000.5),
    item('kv-cache', 100),
    item('compute', 200),
    item('encoder-weights', 50),
    item('encoder-compute', 20),
    item('runtime', 10),
  ],
  afterLoadBytes: 1380.5 * MIB,
  peakBytes: 1410.5 * MIB,
};
const layout = {
  gpus: [{ weights: 1000 * MIB, kvCache: 100 * MIB, compute: 205 * MIB }],
  host: { weights: 80 * MIB, kvCache: 0, compute: 7 * MIB },
  encoder: { gpu: 0, bytes: 75 * MIB, hostBytes: 4 * MIB },
};
const ORIGIN = { basis: 'simulated', text: 'b1', resolution: MIB } as const;
const applied = withFigures(gpu, figuresOf(layout, 0, 50 * MIB), ORIGIN);
const bytesOf = (part: string) =>
  (applied.items.find((each) => each.part === part)?.bytes ?? NaN) / MIB;

describe('withFigures', () => {
  it('keeps bytes that agree with the whole MiB that are printed', () => {
    expect(bytesOf('weights')).toBe(1000.5);
    expect(bytesOf('compute')).toBe(205);
    expect(bytesOf('encoder-compute')).toBe(25);
    expect(applied.items.map(({ basis }) => basis)).toEqual([
      ...Array.from({ length: 5 }, () => 'simulated'),
      'profile',
    ]);
  });

  it('sums to its total, and reaches the same peak of the encoder', () => {
    const sum = applied.items.reduce((total, { bytes }) => total + bytes, 0);
    expect(applied.afterLoadBytes).toBe(sum);
    // The encoder's buffer ends at 20 + 30 MiB, whatever it is at load.
    expect(applied.peakBytes - applied.afterLoadBytes).toBe(25 * MIB);
  });

  it('adds what the plan has no part for, before the runtime', () => {
    const bare = { ...gpu, items: [item('weights', 1), item('runtime', 1)] };
    const parts = withFigures(bare, { 'kv-cache': 9 }, ORIGIN).items.map((e) => e.part);
    expect(parts).toEqual(['weights', 'kv-cache', 'runtime']);
  });

  it('gives the host what the projector keeps there', () => {
    expect(figuresOf(layout, null, 50 * MIB)).toEqual({
      weights: 80 * MIB,
      'kv-cache': 0,
      compute: 7 * MIB,
      'encoder-compute': 4 * MIB,
    });
  });
});

describe('differencesOf', () => {
  const off = (compute: number) =>
    differencesOf(gpu, { ...figuresOf(layout, 0, 50 * MIB), compute: compute * MIB });
  it('is silent within 8 MiB, and names the part beyond', () => {
    expect(off(202)).toEqual([]);
    expect(off(230)).toMatchObject([
      { device: 'gpu0', part: 'compute', formula: 200 * MIB, engine: 230 * MIB },
      { part: 'encoder-compute' },
    ]);
  });
});

describe('layoutArgs', () => {
  it('leaves files, address and the end of fitting out', () => {
    const args = ['--model', 'm', '--mmproj', 'p', '--alias', 'a', '--host', 'h', '--port', '1'];
    const rest = ['--ctx-size', '4096', '--flash-attn', 'on'];
    expect(layoutArgs([...args, ...rest.slice(0, 2), '--fit', 'off', ...rest.slice(2)])).toEqual(
      rest,
    );
  });
});

describe('the second peak', () => {
  it('is what the engine holds for the encoder in place of what it holds at load', () => {
    const grown = withPeak(applied, 65 * MIB, 'simulated');
    expect(grown.peakBytes - grown.afterLoadBytes).toBe((65 - bytesOf('encoder-compute')) * MIB);
    expect(grown.peakBasis).toBe('simulated');
    expect(grown.items).toEqual(applied.items);
  });

  it('stays where both agree but for rounding, and never falls below the first', () => {
    expect(withPeak(gpu, 50 * MIB + 9000, 'simulated').peakBytes).toBe(gpu.peakBytes);
    expect(withPeak(gpu, 10 * MIB, 'simulated').peakBytes).toBe(gpu.afterLoadBytes);
  });

  it('is told where it is far from the formula', () => {
    expect(peakDifference(gpu, 57 * MIB)).toBeNull();
    expect(peakDifference(gpu, 80 * MIB)).toEqual({
      ...{ device: 'gpu0', part: 'encoder-compute', at: 'the largest image' },
      ...{ formula: 50 * MIB, engine: 80 * MIB },
    });
  });

  it('depends on few arguments of a plan', () => {
    const args = ['--model', 'm', '--parallel', '4', '--ubatch-size', '256', '--flash-attn', 'on'];
    expect(encoderArgs([...args, '--image-max-tokens', '1024'])).toEqual([
      ...['--ubatch-size', '256', '--flash-attn', 'on', '--image-max-tokens', '1024'],
    ]);
  });
});
