import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { encoderComputeAtLoad, encoderWeights } from '../../src/memory/encoder.ts';
import { deviceMemory } from '../../src/memory/total.ts';
import type { DeviceInput, LaunchSettings } from '../../src/memory/types.ts';
import { describeProfile } from '../../src/profiles/describe.ts';
import { findModel } from '../../src/profiles/layers.ts';
import { loadProfiles } from '../../src/profiles/load.ts';
import { MIB } from '../../src/units.ts';
import { runCommand } from '../../src/process/run.ts';
import { rpcServerOf } from '../../src/simulate/rpc-server.ts';
import { simulate } from '../../src/simulate/simulate.ts';

const llamaServer = inject('llamaServer');
const rpcServer = llamaServer === null ? null : rpcServerOf(llamaServer);
const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-truth-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SETTINGS: LaunchSettings = {
  contextPerSlot: 8192,
  slots: 1,
  kvType: 'f16',
  ubatch: 512,
  gpuLayers: 999,
  flashAttention: true,
  imageMaxTokens: null,
  tensorSplit: null,
};

const CASES: [string, string, number, Partial<LaunchSettings>][] = [
  ['llava-1.5-7b', 'Q4_K_M', 1, {}],
  ['llava-1.5-7b', 'Q8_0', 2, { contextPerSlot: 4096, slots: 4 }],
  ['llava-1.5-13b', 'Q5_K_M', 1, { kvType: 'q8_0' }],
  ['internvl2-26b', 'Q4_K_M', 1, { ubatch: 1024 }],
  ['internvl2-26b', 'Q6_K', 2, { contextPerSlot: 16384 }],
  ['qwen2.5-vl-7b', 'Q4_K_M', 1, { contextPerSlot: 32768, slots: 2 }],
  ['qwen2.5-vl-7b', 'Q3_K_M', 1, { gpuLayers: 14 }],
  ['demo', 'F16', 1, { contextPerSlot: 4096, slots: 2 }],
];

/** The engine's stand-in devices are all as large as this machine's RAM: equal shares. */
const device = (id: string): DeviceInput => ({
  id,
  name: 'stand-in',
  capacityBytes: 1024 * MIB,
  freeBytes: null,
  backend: null,
});

describe.skipIf(llamaServer === null || rpcServer === null)('plan against llama.cpp itself', () => {
  it.each(CASES)('%s %s on %i, %j', async (id, quant, gpus, changed) => {
    const { profiles } = await loadProfiles({ user: null, flag: null });
    const model = describeProfile(findModel(profiles, id), { quant });
    const { text, encoder } = model;
    if (text === null || encoder === null) throw new Error(`${id} is not self-hosted`);
    const settings = { ...SETTINGS, ...changed };
    const measured = await simulate(
      {
        ...{ model, files: null, gpus },
        args: [
          ...['-c', String(settings.contextPerSlot * settings.slots)],
          ...['-np', String(settings.slots), '-ub', String(settings.ubatch)],
          ...['-ngl', String(settings.gpuLayers)],
          ...['-ctk', settings.kvType, '-ctv', settings.kvType],
        ],
      },
      {
        engine: { path: llamaServer ?? '', build: null, version: null, devices: [] },
        ...{ rpcServer, env: process.env, run: runCommand, platform: process.platform },
        ...{ cacheFolder: folder, signal: new AbortController().signal },
      },
    );
    const ours = deviceMemory({
      ...{ model, text, settings, encoderGpu: 0, host: device('host') },
      gpus: Array.from({ length: gpus }, (_, index) => device(`gpu${index}`)),
    });
    const part = (index: number, name: string) =>
      (ours[index]?.items.find((item) => item.part === name)?.bytes ?? NaN) / MIB;
    expect(measured.gpus).toHaveLength(gpus);
    measured.gpus.forEach((seen, index) => {
      // The engine prints whole MiB, truncated.
      expect(Math.abs(part(index, 'weights') - seen.weights / MIB)).toBeLessThanOrEqual(1.5);
      expect(Math.abs(part(index, 'kv-cache') - seen.kvCache / MIB)).toBeLessThanOrEqual(1);
      expect(Math.abs(part(index, 'compute') - seen.compute / MIB)).toBeLessThanOrEqual(0.25);
    });
    const hostMib = measured.host.compute / MIB;
    expect(Math.abs(part(gpus, 'compute') - hostMib)).toBeLessThanOrEqual(0.25);
    const encoderMib =
      (encoderWeights(encoder).bytes + encoderComputeAtLoad(encoder).device.bytes) / MIB;
    const seenMib = (measured.encoder?.bytes ?? NaN) / MIB;
    expect(Math.abs(encoderMib - seenMib)).toBeLessThanOrEqual(0.2);
  });
});
