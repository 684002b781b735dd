import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  encoderComputeAtLoad,
  encoderComputeAtPeak,
  encoderWeights,
} from '../../../src/memory/encoder.ts';
import { describeProfile } from '../../../src/profiles/describe.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';
import { MIB } from '../../../src/units.ts';

const fixture = new URL('../../fixtures/measurements/encoders.yaml', import.meta.url);
const measured = parse(readFileSync(fixture, 'utf8')) as {
  id: string;
  device: number;
  cpu: number;
}[];
const { profiles } = await loadProfiles({ user: null, flag: null });

function encoderOf(id: string) {
  const { encoder } = describeProfile(findModel(profiles, id));
  if (encoder === null) throw new Error(`${id} has no encoder`);
  return encoder;
}

describe('encoder memory at load against llama-server', () => {
  it.each(measured)('$id', ({ id, device, cpu }) => {
    const encoder = encoderOf(id);
    const load = encoderComputeAtLoad(encoder);
    const onDevice = (encoderWeights(encoder).bytes + load.device.bytes) / MIB;
    expect(Math.abs(onDevice - device)).toBeLessThanOrEqual(0.15);
    expect(Math.abs(load.host.bytes / MIB - cpu)).toBeLessThanOrEqual(0.05);
    expect(load.measuredGraph).toBe(true);
  });
});

describe('encoder memory at the largest image', () => {
  it('grows beyond the warm-up image where the family allows it', () => {
    const encoder = encoderOf('qwen2.5-vl-7b');
    const load = encoderComputeAtLoad(encoder).device.bytes;
    expect(encoderComputeAtPeak(encoder, null).device.bytes).toBeGreaterThan(2 * load);
    expect(encoderComputeAtPeak(encoder, 3000).device.bytes).toBeGreaterThan(load);
  });

  it('never falls below what load has reserved: buffers do not shrink', () => {
    const encoder = encoderOf('qwen2.5-vl-7b');
    expect(encoderComputeAtPeak(encoder, 256).device.bytes).toBe(
      encoderComputeAtLoad(encoder).device.bytes,
    );
  });

  it('is the same for a family that sees one fixed tile at a time', () => {
    const encoder = encoderOf('internvl2-26b');
    expect(encoderComputeAtPeak(encoder, null)).toEqual(encoderComputeAtLoad(encoder));
  });
});
