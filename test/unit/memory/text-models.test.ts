import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { textModel } from '../../../src/layout/model.ts';
import type { TextDims } from '../../../src/layout/text.ts';
import { deviceMemory } from '../../../src/memory/total.ts';
import type { DeviceInput, LaunchSettings } from '../../../src/memory/types.ts';
import { MIB } from '../../../src/units.ts';

type Row = {
  ctx: number;
  slots?: number;
  ubatch?: number;
  kvType?: string;
  kvTypeV?: string;
  flash?: 'off';
  unified?: boolean;
  swaFull?: boolean;
  cpuMoe?: number;
  gpuLayers?: number;
  weights: number[];
  kv: number[];
  compute: number[];
  host: number;
};
const fixture = new URL('../../fixtures/measurements/text-models.yaml', import.meta.url);
const measured = parse(readFileSync(fixture, 'utf8')) as Record<
  string,
  { dims: TextDims; rows: Row[] }
>;

const device = (id: string): DeviceInput => ({
  id,
  name: 'stand-in',
  capacityBytes: 1024 * MIB,
  freeBytes: null,
  backend: null,
});

function settingsOf(row: Row): LaunchSettings {
  const slots = row.slots ?? 1;
  return {
    contextPerSlot: row.ctx / slots,
    slots,
    kvType: row.kvType ?? 'f16',
    ...(row.kvTypeV === undefined ? {} : { kvTypeV: row.kvTypeV }),
    unifiedKv: row.unified ?? false,
    swaFull: row.swaFull ?? false,
    cpuMoeLayers: row.cpuMoe ?? 0,
    ubatch: row.ubatch ?? 512,
    gpuLayers: row.gpuLayers ?? 999,
    flashAttention: row.flash !== 'off',
    imageMaxTokens: null,
    tensorSplit: null,
  };
}

function memoryOf(dims: TextDims, row: Row) {
  const text = textModel(dims, 131072, 'Q4_K_M');
  return deviceMemory({
    model: {
      ...{ id: 'm', name: 'm', family: 'm', modalities: ['text'], engines: ['llama.cpp'] },
      ...{
        basis: 'profile',
        confidence: null,
        encoder: null,
        imageTokens: {},
        audioTokens: {},
        text,
      },
      ...{ quant: null, encoderQuant: null },
    },
    text,
    settings: settingsOf(row),
    gpus: row.compute.map((_, index) => device(`gpu${index}`)),
    host: device('host'),
    encoderGpu: null,
  });
}

describe.each(Object.entries(measured))('%s against llama-server', (_id, { dims, rows }) => {
  it.each(rows)('%j', (row) => {
    const devices = memoryOf(dims, row);
    const part = (index: number, name: string) =>
      (devices[index]?.items.find((item) => item.part === name)?.bytes ?? 0) / MIB;
    row.compute.forEach((expected, index) => {
      // Inputs of a few KiB are rounded to allocator blocks.
      expect(Math.abs(part(index, 'compute') - expected)).toBeLessThanOrEqual(0.3);
      // The engine truncates to whole MiB.
      expect(Math.abs(part(index, 'weights') - (row.weights[index] ?? NaN))).toBeLessThanOrEqual(
        1.01,
      );
      expect(Math.abs(part(index, 'kv-cache') - (row.kv[index] ?? NaN))).toBeLessThanOrEqual(1.01);
    });
    expect(Math.abs(part(row.compute.length, 'compute') - row.host)).toBeLessThanOrEqual(0.3);
    const bases = devices.flatMap(({ items }) =>
      items.map(({ part: name, basis }) => [name, basis]),
    );
    expect(bases.filter(([name]) => name === 'compute').map(([, basis]) => basis)).not.toContain(
      'assumed',
    );
  });
});
