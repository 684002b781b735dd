import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonlRow } from '../../../../src/estimate/manifest/jsonl.ts';
import { itemSchema, manifestSchemas } from '../../../../src/estimate/manifest/schema.ts';

const SCHEMAS = new URL('../../../../profiles/schema/', import.meta.url);

const row = (value: unknown) =>
  jsonlRow({ number: 1, text: JSON.stringify(value), problem: null }, '');

/** Right and wrong values in the places where lines have theirs. */
const mostly = (right: readonly unknown[], wrong: readonly unknown[]) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...right) },
    { weight: 1, arbitrary: fc.constantFrom(...wrong) },
  );
const number = mostly([1, 640], [0, -1, 2.5, '3']);
const name = mostly(['a.png', 'https://example.org/a'], [' ', '', 3]);
const detail = mostly(['low', 'high', 'original', 'auto'], ['best', 1]);
const medium = fc.oneof(
  name,
  fc.record(
    {
      ...{ path: name, url: name, width: number, height: number },
      ...{ seconds: number, fps: number, detail, colour: number },
    },
    { requiredKeys: [] },
  ),
  fc.record(
    { width: number, height: number, detail, path: name },
    { requiredKeys: ['width', 'height'] },
  ),
  fc.record({ seconds: number, url: name }, { requiredKeys: ['seconds'] }),
  fc.record(
    { seconds: number, width: number, height: number, fps: number },
    { requiredKeys: ['seconds', 'width', 'height'] },
  ),
);
/** One or two of the keys: with all of them hardly any line would be right. */
const some = (keys: Readonly<Record<string, fc.Arbitrary<unknown>>>) =>
  fc
    .shuffledSubarray(Object.keys(keys), { minLength: 0, maxLength: 2 })
    .chain((chosen) =>
      fc.record(Object.fromEntries(chosen.map((key) => [key, keys[key] ?? number]))),
    );
const input = {
  ...{ image: medium, audio: medium, video: medium, path: name, count: number },
  ...{ text: fc.constantFrom<unknown>('', 'hi', 3), textTokens: number, label: number },
};
const settings = { id: name, model: name, maxTokens: number, detail };
const inputs = fc.oneof(
  fc.array(fc.oneof(some(input), some({ ...input, inputs: fc.constant([]) })), { maxLength: 2 }),
  name,
);
const item = fc
  .tuple(some({ ...input, inputs }), some(settings))
  .map(([ours, others]) => ({ ...ours, ...others }));

describe('the schema of a line', () => {
  it('says of every line what the reader says', () => {
    let good = 0;
    fc.assert(
      fc.property(item, (line) => {
        const { success } = itemSchema.safeParse(line);
        if (success) good += 1;
        expect(row(line).problem === null, row(line).problem ?? 'read').toBe(success);
      }),
      { numRuns: 3000, seed: 4 },
    );
    // Both answers have to be common for the comparison to mean anything.
    expect(good).toBeGreaterThan(500);
  });

  it.each(Object.entries(manifestSchemas()))('%s is up to date (npm run schemas)', (file, text) => {
    expect(readFileSync(new URL(file, SCHEMAS), 'utf8')).toBe(text);
  });
});
