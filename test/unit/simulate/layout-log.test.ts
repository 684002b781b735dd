import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseLayout } from '../../../src/simulate/layout-log.ts';
import { MIB } from '../../../src/units.ts';

// Lines of llama-server 0.7.0 (build 11669) at -lv 5, for Qwen2.5-VL-7B in Q4_K_M.
const log = (name: string) =>
  readFileSync(new URL(`../../fixtures/simulate/${name}.log`, import.meta.url), 'utf8');
const mib = (row: { weights: number; kvCache: number; compute: number } | undefined) =>
  row === undefined
    ? null
    : [row.weights / MIB, row.kvCache / MIB, Math.round((row.compute / MIB) * 100) / 100];

describe('parseLayout', () => {
  it('reads every GPU by its port, the host and the projector on the first GPU', () => {
    const layout = parseLayout(log('two-gpus'), [51565, 51508]);
    expect(layout?.gpus.map(mib)).toEqual([
      [1995, 240, 239.08],
      [2172, 208, 204.06],
    ]);
    expect(mib(layout?.host)).toEqual([292, 0, 86.09]);
    expect(layout?.encoder).toEqual({
      gpu: 0,
      bytes: Math.round(1861.1 * MIB),
      hostBytes: Math.round(155.77 * MIB),
    });
  });

  it('sums the host over its own buffers, repacked weights among them', () => {
    const layout = parseLayout(log('cpu-only'), []);
    expect(layout?.gpus).toEqual([]);
    expect(mib(layout?.host)).toEqual([1483 + 2976, 448, 150.02]);
    expect(layout?.encoder).toEqual({ gpu: null, bytes: Math.round(1861.1 * MIB), hostBytes: 0 });
  });

  it('reads a layout that is shared with the CPU', () => {
    const layout = parseLayout(log('projector-on-cpu'), [51565]);
    expect(layout?.gpus.map(mib)).toEqual([[1654, 144, 129.02]]);
    expect(mib(layout?.host)).toEqual([729 + 2076, 304, 150.02]);
    expect(layout?.encoder?.gpu).toBeNull();
  });

  it('takes the first table: later ones are the engine trying other settings', () => {
    const first = log('two-gpus');
    const later = log('projector-on-cpu').replaceAll('51565', '51508');
    expect(parseLayout(first + later, [51565, 51508])).toEqual(parseLayout(first, [51565, 51508]));
  });

  it('is null without a table, or with a stand-in that is not in it', () => {
    expect(parseLayout('error: failed to load model', [])).toBeNull();
    expect(parseLayout(log('two-gpus'), [51565, 50000])).toBeNull();
  });
});
