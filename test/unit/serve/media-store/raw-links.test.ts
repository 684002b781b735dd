import { expect, test } from 'vitest';
import { RawLinks, rawLink } from '../../../../src/serve/media-store/raw-links.ts';

test('the oldest go when there are more than contents allow, each page of a document counting', async () => {
  let most = 3;
  const links = new RawLinks(null, () => most);
  const add = (raw: string, pages: number) =>
    links.add(
      rawLink(
        raw,
        'tenant',
        raw,
        Array.from({ length: pages }, (_, at) => `${at}`),
      ),
      true,
    );
  await add('one', 1);
  await add('two', 1);
  expect(links.get('one')).toBeDefined();
  await add('document', 2);
  expect(['one', 'two', 'document'].map((raw) => links.get(raw) !== undefined)).toEqual([
    true,
    false,
    true,
  ]);
  most = 1;
  await add('last', 1);
  expect(['one', 'document', 'last'].map((raw) => links.get(raw) !== undefined)).toEqual([
    false,
    false,
    true,
  ]);
});
