import { describe, expect, it } from 'vitest';
import { requestIdOf } from '../../../../src/serve/observe/request-id.ts';

describe('requestIdOf', () => {
  it.each(['a1', '4bf92f3577b34da6a3ce929d0e0e4736', 'req_01:AB.c-d'])('keeps %s', (id) => {
    expect(requestIdOf(id, () => 'fresh')).toBe(id);
  });

  it.each([undefined, '', 'with blank', 'new\nline', '"quoted"', 'x'.repeat(129), ['a', 'b'], 'é'])(
    'makes one instead of %j',
    (given) => {
      expect(requestIdOf(given, () => 'fresh')).toBe('fresh');
    },
  );
});
