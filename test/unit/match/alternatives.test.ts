import { describe, expect, it } from 'vitest';
import { alternativesTo } from '../../../src/match/alternatives.ts';
import { search } from '../../../src/match/search.ts';
import type { Wishes } from '../../../src/match/types.ts';
import { NO_WISHES } from '../../../src/match/types.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';
import { GIB } from '../../../src/units.ts';
import { profileModel } from '../../../src/workflows/model.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });
const device = (id: string, gib: number | null, backend: string | null) => ({
  ...{ id, name: id, capacityBytes: gib === null ? null : gib * GIB, freeBytes: null, backend },
});
const host = device('host', null, null);

function plan(id: string, gib: number, wishes: Partial<Wishes> = {}) {
  const { source } = profileModel(findModel(profiles, id));
  const resources = { gpus: [device('gpu0', gib, 'cuda')], host };
  const all = { ...NO_WISHES, ...wishes };
  const chosen = search(source, resources, all);
  return { chosen, others: alternativesTo(source, resources, all, chosen) };
}

describe('search', () => {
  it('takes the highest quant that fits, and no better one would', () => {
    const { chosen, others } = plan('llava-1.5-13b', 16);
    const quants = others.map(({ result }) => result.formats.quant);
    expect(chosen).toMatchObject({ verdict: 'fits', formats: { quant: 'Q6_K' } });
    expect(quants).toContain('Q5_K_M');
  });

  it('prefers a tight Q4_K_M to a comfortable Q3_K_M', () => {
    const comfortable = plan('llava-1.5-7b', 7.2);
    expect(comfortable.chosen.formats.quant).toBe('Q4_K_M');
    expect(comfortable.chosen.verdict).toBe('tight');
  });

  it('splits between a GPU and a host of which neither holds the whole', () => {
    const { source } = profileModel(findModel(profiles, 'qwen2.5-vl-32b'));
    const resources = { gpus: [device('gpu0', 16, 'cuda')], host: device('host', 14, null) };
    const wishes = { ...NO_WISHES, quant: 'Q5_K_M' };
    const { verdict, settings } = search(source, resources, wishes);
    expect(verdict).toBe('offload');
    expect(settings.gpuLayers).toBeGreaterThan(20);
    expect(search(source, { ...resources, gpus: [] }, wishes).verdict).toBe('no');
  });

  it('goes as far as context and slots fit: one step more does not', () => {
    const { source } = profileModel(findModel(profiles, 'qwen2.5-vl-7b'));
    const resources = { gpus: [device('gpu0', 16, 'cuda')], host };
    const { settings } = search(source, resources, NO_WISHES);
    expect(settings.contextPerSlot).toBeGreaterThan(4096);
    const doubled = { ...NO_WISHES, quant: 'Q8_0', contextPerSlot: settings.contextPerSlot * 2 };
    expect(search(source, resources, doubled).verdict).not.toBe('fits');
  });
});

describe('alternativesTo', () => {
  it('gains something each, and says what it costs', () => {
    const { others } = plan('qwen2.5-vl-7b', 24);
    expect(others.length).toBeGreaterThanOrEqual(4);
    for (const { result, gains, givesUp } of others) {
      expect(result.verdict).not.toBe('no');
      expect(gains.length).toBeGreaterThan(0);
      expect(givesUp.length).toBeGreaterThan(0);
    }
    const said = others.flatMap(({ gains, givesUp }) => [...gains, ...givesUp]).join();
    expect(said).toMatch(/users x2/);
    expect(said).toMatch(/context x0\.\d/);
    expect(said).toMatch(/images above \d+ tokens/);
  });

  it('never breaks the workload', () => {
    const image = { count: 1, width: 1024, height: 768 };
    const workload = {
      users: 2,
      images: image,
      audio: null,
      video: null,
      textTokens: 3000,
      outputTokens: 1000,
    };
    const { others } = plan('qwen2.5-vl-7b', 24, { workload });
    for (const { result } of others) {
      expect(result.settings.slots).toBeGreaterThanOrEqual(2);
      expect(result.settings.contextPerSlot).toBeGreaterThanOrEqual(5001);
    }
  });

  it('spends what smaller images free on users and context', () => {
    const image = { count: 1, width: 1024, height: 768 };
    const workload = {
      users: 2,
      images: image,
      audio: null,
      video: null,
      textTokens: 300,
      outputTokens: 300,
    };
    const { others } = plan('qwen2.5-vl-7b', 8, { workload });
    const capped = others.filter(({ givesUp }) =>
      givesUp.join().includes('images above 2048 tokens'),
    );
    expect(capped.flatMap(({ gains }) => gains)).toEqual(['users x2', 'context x2']);
  });

  it('keeps to what was asked for', () => {
    const { others } = plan('qwen2.5-vl-7b', 24, { quant: 'Q6_K', slots: 2, imageMaxTokens: 1024 });
    expect(others).toEqual([]);
  });
});
