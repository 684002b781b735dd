import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { textModel } from '../../../src/layout/model.ts';
import { deviceMemory } from '../../../src/memory/total.ts';
import type { DeviceInput } from '../../../src/memory/types.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';
import { describeProfile } from '../../../src/profiles/describe.ts';
import { MIB } from '../../../src/units.ts';

type Row = {
  ctx: number;
  slots?: number;
  ubatch?: number;
  kvType?: string;
  flash?: 'off';
  gpuLayers?: number;
  gpu: number[];
  host: number;
  kv: number[];
  weights?: number[];
};
const fixture = new URL('../../fixtures/measurements/compute-buffers.yaml', import.meta.url);
const measured = parse(readFileSync(fixture, 'utf8')) as Record<
  string,
  { vocabulary: number; rows: Row[] }
>;
const { profiles } = await loadProfiles({ user: null, flag: null });

const device = (id: string): DeviceInput => ({
  id,
  name: 'stand-in',
  capacityBytes: 24 * 1024 * MIB,
  freeBytes: null,
  backend: 'cuda',
});

function memoryOf(id: string, vocabulary: number, row: Row) {
  const profile = findModel(profiles, id);
  const described = describeProfile(profile);
  const { text: dims } = profile;
  if (dims === undefined) throw new Error('no text model');
  const text = textModel({ ...dims, vocabulary }, dims.context, 'Q4_K');
  const gpuCount = Math.max(row.gpu.length, row.gpuLayers === 0 ? 0 : 1);
  return deviceMemory({
    model: { ...described, text, encoder: null },
    text,
    settings: {
      contextPerSlot: row.ctx / (row.slots ?? 1),
      slots: row.slots ?? 1,
      kvType: row.kvType ?? 'f16',
      ubatch: row.ubatch ?? 512,
      gpuLayers: row.gpuLayers ?? 999,
      flashAttention: row.flash !== 'off',
      imageMaxTokens: null,
      tensorSplit: null,
    },
    gpus: Array.from({ length: gpuCount }, (_, index) => device(`gpu${index}`)),
    host: { ...device('host'), backend: null },
    encoderGpu: null,
  });
}

const mib = (devices: ReturnType<typeof deviceMemory>, part: string) =>
  devices.map(({ items }) => (items.find((item) => item.part === part)?.bytes ?? 0) / MIB);

describe.each(Object.entries(measured))('%s against llama-server', (id, { vocabulary, rows }) => {
  it.each(rows)('%j', (row) => {
    const devices = memoryOf(id, vocabulary, row);
    const compute = mib(devices, 'compute');
    // Inputs of a few KiB are rounded to allocator blocks: 0.1 MiB is a thousandth of the smallest figure.
    [...row.gpu, row.host].forEach((expected, index) => {
      expect(Math.abs((compute[index] ?? NaN) - expected)).toBeLessThanOrEqual(0.1);
    });
    const kv = mib(devices, 'kv-cache');
    row.kv.forEach((expected, index) => expect(kv[index]).toBe(expected));
    // The engine truncates to whole MiB.
    const weights = mib(devices, 'weights').map(Math.floor);
    row.weights?.forEach((expected, index) =>
      expect(Math.abs((weights[index] ?? NaN) - expected)).toBeLessThanOrEqual(1),
    );
  });
});
