import { describe, expect, it } from 'vitest';
import type { DeploymentPlan } from '../../../src/contracts/plan.ts';
import { hostMemory } from '../../../src/render/parts/host-memory.ts';
import { GIB, MIB } from '../../../src/units.ts';
import { planFor } from '../../helpers/deployments.ts';

/** A plan on a host with so much memory. */
async function planOn(totalBytes: number | null): Promise<DeploymentPlan> {
  const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['RTX 4090'] });
  const memory = { totalBytes, availableBytes: totalBytes, limitBytes: null };
  return { ...plan, machine: { ...plan.machine, memory } };
}

describe.each([null, 4 * GIB, 16 * GIB, 256 * GIB])('on a host of %d bytes', (totalBytes) => {
  it('caches and the gateway have room below the limit', async () => {
    const plan = await planOn(totalBytes);
    const peak = plan.memory.devices.find(({ id }) => id === 'host')?.peakBytes ?? NaN;
    for (const shape of ['engine', 'gateway'] as const) {
      const { limitBytes, requestBytes, cacheRamMib, slotCacheMib } = hostMemory(plan, shape);
      const gateway = shape === 'gateway' ? (600 + 256) * MIB : 0;
      expect(requestBytes).toBe(peak + gateway);
      const caches = (cacheRamMib + slotCacheMib) * MIB;
      expect(limitBytes).toBeGreaterThanOrEqual(requestBytes + caches + 512 * MIB);
      expect(slotCacheMib > 0).toBe(shape === 'gateway' && caches > 0);
      if (totalBytes !== null) expect(limitBytes).toBeLessThanOrEqual(totalBytes);
    }
  });
});

it('takes no more for its caches than the engine alone would', async () => {
  const plan = await planOn(256 * GIB);
  expect(hostMemory(plan, 'engine')).toMatchObject({ cacheRamMib: 8192, slotCacheMib: 0 });
  expect(hostMemory(plan, 'gateway')).toMatchObject({ cacheRamMib: 4096, slotCacheMib: 4096 });
});

it('gives the gateway’s files in memory a place that holds them all, within the limit', async () => {
  const plan = await planOn(256 * GIB);
  const { sharedBytes, slotCacheMib } = hostMemory(plan, 'gateway');
  expect(sharedBytes).toBe((slotCacheMib + 256) * MIB);
  expect(hostMemory(plan, 'engine').sharedBytes).toBe(0);
});
