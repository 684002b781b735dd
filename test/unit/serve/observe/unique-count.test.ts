import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { UniqueCount } from '../../../../src/serve/observe/unique-count.ts';

const digest = (text: string) => createHash('sha256').update(text).digest('hex');

describe('UniqueCount', () => {
  it('counts each key once', () => {
    const unique = new UniqueCount();
    expect([unique.add(digest('a')), unique.add(digest('b')), unique.add(digest('a'))]).toEqual([
      true,
      true,
      false,
    ]);
    expect(unique.count).toBe(2);
  });

  it('is right within 1 in 10,000 for 50,000 keys, and never tells too many', () => {
    const unique = new UniqueCount();
    for (let round = 0; round < 2; round++) {
      for (let key = 0; key < 50_000; key++) unique.add(digest(String(key)));
    }
    expect(unique.count).toBeLessThanOrEqual(50_000);
    expect(unique.count).toBeGreaterThanOrEqual(49_995);
  });
});
