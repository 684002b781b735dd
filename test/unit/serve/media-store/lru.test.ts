import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lru, type Kept } from '../../../../src/serve/media-store/lru.ts';

const kept = (id: string, bytes = 1, pins = 0): Kept => ({ id, bytes, pins });
const ids = (entries: Iterable<Kept>) => [...entries].map(({ id }) => id);

describe('Lru', () => {
  it('gives up what was not used for longest', () => {
    const lru = new Lru();
    for (const id of ['a', 'b', 'c']) lru.add(kept(id));
    lru.use('a');
    expect(ids(lru.trim(1, 9))).toEqual(['b', 'c']);
    expect(ids(lru.values())).toEqual(['a']);
  });

  it('keeps what is in use, and gives up what is newer instead', () => {
    const lru = new Lru();
    lru.add(kept('used', 5, 1));
    lru.add(kept('free', 5));
    expect(ids(lru.trim(0, 9))).toEqual(['free']);
    expect(lru.bytes).toBe(5);
  });

  it('counts an entry that is put in place of another once', () => {
    const lru = new Lru();
    lru.add(kept('a', 5));
    lru.add(kept('a', 7));
    expect([lru.size, lru.bytes]).toEqual([1, 7]);
  });

  it('puts what was found later behind what is in use already', () => {
    const lru = new Lru();
    lru.add(kept('new', 5));
    lru.addOldest([kept('old'), kept('older'), kept('new', 100)]);
    expect(ids(lru.values())).toEqual(['old', 'older', 'new']);
    expect(lru.bytes).toBe(7);
  });

  it('always knows the sum of what it holds', () => {
    const step = fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      bytes: fc.nat(9),
      what: fc.constantFrom('add', 'use', 'delete', 'trim', 'old'),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const lru = new Lru();
        for (const { id, bytes, what } of steps) {
          if (what === 'add') lru.add(kept(id, bytes, bytes % 2));
          if (what === 'use') lru.use(id);
          if (what === 'delete') lru.delete(id);
          if (what === 'old') lru.addOldest([kept(id, bytes)]);
          if (what === 'trim') lru.trim(bytes, 3);
        }
        const left = [...lru.values()];
        expect(lru.bytes).toBe(left.reduce((sum, each) => sum + each.bytes, 0));
        expect(lru.size).toBe(left.length);
      }),
    );
  });
});
