import { describe, expect, it } from 'vitest';
import type { DeviceMemory, Part } from '../../../src/contracts/plan.ts';
import { memoryBars } from '../../../src/report/memory-bar.ts';
import { GIB } from '../../../src/units.ts';

function device(parts: Partial<Record<Part, number>>, more: Partial<DeviceMemory> = {}) {
  const items = Object.entries(parts).map(([part, gib]) => ({
    ...{ part: part as Part, bytes: gib * GIB, basis: 'profile' as const, formula: '' },
  }));
  const afterLoadBytes = items.reduce((total, { bytes }) => total + bytes, 0);
  const sizes = { capacityBytes: 24 * GIB, freeBytes: 20 * GIB, afterLoadBytes };
  const base = { id: 'gpu0', name: 'X', ...sizes, peakBytes: afterLoadBytes, items };
  return { ...base, ...more };
}
const inside = (line: string) => /\[(.*)\]/.exec(line)?.[1] ?? '';

describe('memoryBars', () => {
  it('draws each part in proportion, and what is left', () => {
    const [line, legend] = memoryBars([device({ weights: 10, 'kv-cache': 5 })], 200);
    expect(inside(line ?? '')).toBe('W'.repeat(30) + 'K'.repeat(15) + '.'.repeat(15));
    expect(line).toContain('15.00 GiB of 20.00 GiB');
    expect(legend?.trim()).toBe('W weights  K KV cache  . left');
  });

  it.each([40, 60, 80, 120])('keeps within %i columns', (columns) => {
    const bars = memoryBars([device({ weights: 10, compute: 0.1, runtime: 0.3 })], columns);
    expect(bars[0]?.length).toBeLessThanOrEqual(columns);
  });

  it('shows a part however small, and the growth of the largest image', () => {
    const grown = device({ weights: 10, compute: 0.001 }, { peakBytes: 12 * GIB });
    expect(inside(memoryBars([grown], 200)[0] ?? '')).toMatch(/^W+Ci+\.+$/);
  });

  it('says how much is missing', () => {
    const [line] = memoryBars([device({ weights: 30 })], 100);
    expect(inside(line ?? '')).toMatch(/^W+$/);
    expect(line).toContain('10.00 GiB short');
  });

  it('leaves out devices whose size nobody knows', () => {
    const unknown = device({ weights: 1 }, { capacityBytes: null, freeBytes: null });
    expect(memoryBars([unknown], 80)).toEqual([]);
  });
});
