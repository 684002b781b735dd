import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FairQueue } from '../../../../src/serve/schedule/fair-queue.ts';

type Item = { readonly tenant: string; readonly cost: number; readonly number: number };

const start = (item: Item) => ({ cost: item.cost });
const items = fc
  .array(
    fc.record({ tenant: fc.constantFrom('a', 'b', 'c'), cost: fc.integer({ min: 1, max: 9 }) }),
    {
      maxLength: 60,
    },
  )
  .map((list) => list.map((each, number) => ({ ...each, number })));

function filled(list: readonly Item[]): FairQueue<Item> {
  const queue = new FairQueue<Item>();
  for (const item of list) queue.add(item.tenant, item);
  return queue;
}

function drained(queue: FairQueue<Item>): Item[] {
  const order: Item[] = [];
  for (let next = queue.take(start); next !== null; next = queue.take(start)) order.push(next.item);
  return order;
}

describe('a fair queue', () => {
  test('gives out every item once, and each tenant its own in order of arrival', () => {
    fc.assert(
      fc.property(items, (list) => {
        const queue = filled(list);
        const order = drained(queue);
        expect(queue.size).toBe(0);
        for (const tenant of ['a', 'b', 'c']) {
          const own = (all: readonly Item[]) => all.filter((item) => item.tenant === tenant);
          expect(own(order)).toEqual(own(list));
        }
      }),
    );
  });

  test('no tenant that waits is ever behind another by more than the two largest requests', () => {
    fc.assert(
      fc.property(items, (list) => {
        const given: Record<string, number> = { a: 0, b: 0, c: 0 };
        const left = (tenant: string, done: number, order: Item[]) =>
          order.slice(done).some((item) => item.tenant === tenant);
        const order = drained(filled(list));
        for (const [index, item] of order.entries()) {
          given[item.tenant] = (given[item.tenant] ?? 0) + item.cost;
          for (const [tenant, sum] of Object.entries(given)) {
            if (!left(tenant, index + 1, order)) continue;
            expect((given[item.tenant] ?? 0) - sum).toBeLessThanOrEqual(18);
          }
        }
      }),
    );
  });

  test('a tenant with one request is served after at most one of a tenant with hundreds', () => {
    const flood = Array.from({ length: 300 }, (_, number) => ({ tenant: 'a', cost: 5, number }));
    const queue = filled(flood);
    queue.take(start);
    queue.take(start);
    const single = { tenant: 'b', cost: 5, number: 300 };
    queue.add('b', single);
    const next = [queue.take(start)?.item, queue.take(start)?.item];
    expect(next).toContain(single);
  });

  test('idling saves nothing up: who comes back does not get all of it at once', () => {
    const queue = filled(
      Array.from({ length: 50 }, (_, number) => ({ tenant: 'a', cost: 1, number })),
    );
    for (let turn = 0; turn < 40; turn++) queue.take(start);
    for (let number = 0; number < 10; number++) queue.add('b', { tenant: 'b', cost: 1, number });
    const next = Array.from({ length: 6 }, () => queue.take(start)?.item.tenant);
    expect(next.filter((tenant) => tenant === 'a').length).toBeGreaterThanOrEqual(2);
  });

  test('what cannot start is passed over and keeps its place', () => {
    const queue = filled([
      { tenant: 'a', cost: 1, number: 0 },
      { tenant: 'a', cost: 1, number: 1 },
    ]);
    expect(queue.take((item) => (item.number === 0 ? null : start(item)))?.item.number).toBe(1);
    expect(queue.take(start)?.item.number).toBe(0);
  });

  test('a full queue pushes out the newest of whoever has the most, never to make it worse', () => {
    fc.assert(
      fc.property(items, fc.constantFrom('a', 'b', 'c', 'd'), (list, tenant) => {
        const queue = filled(list);
        const before = Object.fromEntries(['a', 'b', 'c', 'd'].map((t) => [t, queue.sizeOf(t)]));
        const out = queue.pushOut(tenant);
        const most = Math.max(...Object.values(before));
        if (out === null) {
          expect(before[tenant]).toBe(most);
          expect(queue.size).toBe(list.length);
          return;
        }
        expect(before[out.tenant]).toBe(most);
        expect(out).toBe(list.filter((item) => item.tenant === out.tenant).at(-1));
        expect(queue.size).toBe(list.length - 1);
      }),
    );
  });

  test('what was put back is the next of its tenant', () => {
    const [first, second] = [
      { tenant: 'a', cost: 1, number: 0 },
      { tenant: 'a', cost: 1, number: 1 },
    ];
    const queue = filled([first, second]);
    queue.take(start);
    queue.putBack('a', first);
    expect(drained(queue)).toEqual([first, second]);
  });
});
