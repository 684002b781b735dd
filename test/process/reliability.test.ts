import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { ITEMS, WHOLE_ONLY } from '../reliability/all.ts';
import { createWorld } from '../reliability/create-world.ts';
import { SMALL } from '../reliability/world.ts';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const engine = inject('llamaServer');
// The drivers look at /proc.
const runs = engine !== null && process.platform === 'linux';

/** `npm run reliability`, smaller. */
describe.skipIf(!runs)('the reliability bar, with the built program and the real engine', () => {
  const world = createWorld(REPOSITORY, engine ?? '', SMALL);
  afterAll(() => world.remove());

  test.each(Object.keys(ITEMS).filter((name) => !WHOLE_ONLY.has(name)))(
    '%s',
    async (name) => {
      const item = await ITEMS[name]?.(world);
      expect(item?.findings).not.toEqual([]);
      expect(item?.findings.filter(({ holds }) => !holds)).toEqual([]);
    },
    300_000,
  );
});
