import { describe, expect, it } from 'vitest';
import type { Gpu, Machine } from '../../../src/contracts/machine.ts';
import { resourcesOf } from '../../../src/match/resources.ts';
import { GIB } from '../../../src/units.ts';

const EMPTY: Machine = {
  schema: 'mmdeploy.machine/v1',
  origin: 'detected',
  os: { platform: 'linux', distribution: null, kernel: null, arch: 'x64', virtualisation: null },
  cpu: { model: null, physicalCores: null, logicalCores: null, usableCores: null },
  memory: { totalBytes: 64 * GIB, availableBytes: null, limitBytes: null },
  gpus: [],
  engines: [],
  probes: [],
  warnings: [],
};

function gpu(id: string, gib: number | null, more: Partial<Gpu> = {}): Gpu {
  return {
    ...{ id, vendor: 'nvidia', name: 'A100', uuid: `GPU-${id}`, pciId: null },
    ...{ memoryKind: 'dedicated', backend: 'cuda', driverVersion: null, runtimeVersion: null },
    ...{ computeCapability: '8.0', mig: null, source: 'test', freeBytes: null },
    totalBytes: gib === null ? null : gib * GIB,
    ...more,
  };
}

function mig(id: string, gib: number, more: Partial<Gpu> = {}): Gpu {
  const cut = { parentUuid: 'GPU-parent', profile: `1g.${gib}gb` };
  return gpu(id, gib, { uuid: `MIG-${id}`, mig: cut, ...more });
}

function planned(...gpus: Gpu[]) {
  const { gpus: used, warnings } = resourcesOf({ ...EMPTY, gpus });
  return { used: used.map(({ id }) => id), warnings };
}

describe('the devices that one copy of an engine may use', () => {
  it('are all cards whose memory is known', () => {
    const { used, warnings } = planned(gpu('gpu0', 40), gpu('gpu1', null), gpu('gpu2', 40));
    expect(used).toEqual(['gpu0', 'gpu2']);
    expect(warnings).toEqual([expect.stringContaining('gpu1 (A100) is left out')]);
  });

  it('are one MIG instance, the largest, and it is said how the engine is kept to it', () => {
    const { used, warnings } = planned(mig('gpu0', 10), mig('gpu1', 20), mig('gpu2', 20));
    expect(used).toEqual(['gpu1']);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^planned on gpu1 \(`CUDA_VISIBLE_DEVICES=MIG-gpu1`\) without /);
    expect(warnings[0]).toMatch(/without gpu0, gpu2: one process of CUDA gets a single MIG/);
  });

  it('are the instance with the most free memory, where that is known', () => {
    const busy = mig('gpu0', 20, { freeBytes: 2 * GIB });
    expect(planned(busy, mig('gpu1', 10, { freeBytes: 9 * GIB })).used).toEqual(['gpu1']);
  });

  it('are whole cards or an instance, whichever has more', () => {
    const whole = [gpu('gpu1', 16), gpu('gpu2', 16)];
    expect(planned(mig('gpu0', 20), ...whole).used).toEqual(['gpu1', 'gpu2']);
    expect(planned(mig('gpu0', 40), ...whole).used).toEqual(['gpu0']);
  });

  it('are a single instance without a word where there is no other', () => {
    expect(planned(mig('gpu0', 20))).toEqual({ used: ['gpu0'], warnings: [] });
  });
});
