import { describe, expect, it } from 'vitest';
import { cappedToFit } from '../../../src/match/image-cap.ts';
import { evaluateFormatted, pointOf } from '../../../src/match/evaluate.ts';
import { mendingChanges } from '../../../src/match/changes.ts';
import { search } from '../../../src/match/search.ts';
import type { Wishes } from '../../../src/match/types.ts';
import { NO_WISHES } from '../../../src/match/types.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';
import { reasonsFor } from '../../../src/plan/reasons.ts';
import { GIB, MIB } from '../../../src/units.ts';
import { profileModel } from '../../../src/workflows/model.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });
const host = { id: 'host', name: 'host', capacityBytes: 64 * GIB, freeBytes: null, backend: null };
const card = (bytes: number) => ({
  gpus: [{ id: 'gpu0', name: 'card', capacityBytes: bytes, freeBytes: bytes, backend: 'cuda' }],
  host,
});

const WHOLE = { quant: 'Q4_K_M', encoderQuant: 'F16', contextPerSlot: 8192, gpuLayers: Infinity };

function searched(id: string, bytes: number, wishes: Partial<Wishes> = WHOLE) {
  const { source } = profileModel(findModel(profiles, id));
  const all = { ...NO_WISHES, ...wishes };
  return { source, all, chosen: search(source, card(bytes), all) };
}

/** What the model needs on a card large enough for everything. */
function needs(id: string, wishes: Partial<Wishes> = WHOLE) {
  const [gpu] = searched(id, 1024 * GIB, { slots: 1, ...wishes }).chosen.devices;
  if (gpu === undefined) throw new Error('no GPU');
  return { load: gpu.afterLoadBytes, peak: gpu.peakBytes };
}

describe('the image cap of a plan', () => {
  it.each(['qwen2.5-vl-7b', 'qwen3-vl-8b', 'glm-4.1v-9b', 'pixtral-12b'])(
    'is the largest under which %s holds its largest image',
    (id) => {
      const { load, peak } = needs(id);
      const bytes = Math.round((load + peak) / 2);
      const { chosen, all } = searched(id, bytes);
      const cap = chosen.imageCap ?? NaN;
      expect(chosen.verdict).toBe('tight');
      expect(chosen.settings.imageMaxTokens).toBe(cap);
      expect(chosen.devices[0]?.peakBytes).toBeLessThanOrEqual(bytes);
      expect(cap % 64).toBe(0);
      const more = { ...pointOf(chosen), imageCap: cap + (cap >= 2048 ? 256 : 64) };
      expect(evaluateFormatted(chosen.model, card(bytes), all, more).verdict).toBe('no');
      expect(reasonsFor(chosen, []).join()).toContain(`images are capped at ${cap} of `);
    },
  );

  it('is left out where the largest image fits', () => {
    const { peak } = needs('qwen2.5-vl-7b');
    const { chosen } = searched('qwen2.5-vl-7b', peak);
    expect(chosen).toMatchObject({ verdict: 'tight', imageCap: null });
    expect(chosen.settings.imageMaxTokens).toBeNull();
    expect(searched('qwen2.5-vl-7b', peak - MIB).chosen.imageCap).not.toBeNull();
  });

  it('helps nothing where the model does not fit at load', () => {
    const { load } = needs('qwen2.5-vl-7b');
    const { chosen } = searched('qwen2.5-vl-7b', load - MIB);
    expect(chosen).toMatchObject({ verdict: 'no', imageCap: null });
    expect(reasonsFor(chosen, []).join()).toMatch(/MiB of it before the first image: no image cap/);
  });

  it('is never below the images of the workload', () => {
    const { load, peak } = needs('qwen2.5-vl-7b');
    const bytes = Math.round((load + peak) / 2);
    const workload = (width: number, height: number): Partial<Wishes> => ({
      ...WHOLE,
      workload: {
        users: 1,
        images: { count: 1, width, height },
        audio: null,
        video: null,
        textTokens: 9,
        outputTokens: 9,
      },
    });
    // 1680 x 1400 px are 60 x 50 tokens of 28 px.
    const held = searched('qwen2.5-vl-7b', bytes + 140 * MIB, workload(1680, 1400)).chosen;
    expect(held.verdict).toBe('tight');
    expect(held.imageCap).toBeGreaterThanOrEqual(3000);
    const refused = searched('qwen2.5-vl-7b', bytes - 140 * MIB, workload(1680, 1400)).chosen;
    expect(refused.verdict).toBe('no');
    expect(reasonsFor(refused, []).join()).toContain('no cap that holds the images asked for fits');
  });

  it('is not touched where one was asked for, but a smaller one is named', () => {
    const { load, peak } = needs('qwen2.5-vl-7b');
    const bytes = Math.round((load + peak) / 2);
    const asked = { ...WHOLE, imageMaxTokens: 4096 };
    const { chosen, source, all } = searched('qwen2.5-vl-7b', bytes, asked);
    expect(chosen).toMatchObject({ verdict: 'no', imageCap: null });
    const [change] = mendingChanges(source, card(bytes), all, chosen);
    const cap = Number(/^--image-max-tokens (\d+)$/.exec(change?.flags ?? '')?.[1]);
    expect(searched('qwen2.5-vl-7b', bytes, { ...WHOLE, imageMaxTokens: cap }).chosen.verdict).toBe(
      'tight',
    );
  });

  it('does not help a family of equal tiles', () => {
    const { load, peak } = needs('internvl3-8b');
    expect(peak).toBeGreaterThan(load);
    const { chosen, all } = searched('internvl3-8b', load);
    expect(chosen.verdict).toBe('no');
    expect(cappedToFit(chosen, card(load), all)).toBeNull();
  });
});

describe('the search with a cap', () => {
  it('caps images before it goes below Q4_K_M, and no earlier', () => {
    const open = { encoderQuant: 'F16', contextPerSlot: 8192 };
    const q4 = needs('qwen2.5-vl-7b');
    const capped = searched('qwen2.5-vl-7b', q4.peak - 64 * MIB, open).chosen;
    expect(capped.formats.quant).toBe('Q4_K_M');
    expect(capped.imageCap).not.toBeNull();
    const q5 = needs('qwen2.5-vl-7b', { ...WHOLE, quant: 'Q5_K_M' });
    const lower = searched('qwen2.5-vl-7b', q5.peak - 64 * MIB, open).chosen;
    expect(lower).toMatchObject({ imageCap: null, formats: { quant: 'Q4_K_M' } });
  });

  it('keeps the encoder on the GPU with smaller images rather than on the CPU', () => {
    const { chosen } = searched('qwen2.5-vl-7b', 3.6 * GIB, { quant: 'Q8_0' });
    expect(chosen).toMatchObject({ verdict: 'offload', encoderGpu: 0 });
    expect(chosen.imageCap).toBeGreaterThanOrEqual(2048);
  });

  it('holds on a machine without a GPU too', () => {
    const { source } = profileModel(findModel(profiles, 'qwen2.5-vl-3b'));
    const wishes = { ...NO_WISHES, quant: 'Q4_K_M', encoderQuant: 'F16', contextPerSlot: 8192 };
    const on = (bytes: number) =>
      search(source, { gpus: [], host: { ...host, freeBytes: bytes } }, wishes);
    const [whole] = on(64 * GIB).devices;
    const short = on((whole?.peakBytes ?? 0) - 100 * MIB);
    expect(short.verdict).toBe('offload');
    expect(short.imageCap).not.toBeNull();
  });
});
