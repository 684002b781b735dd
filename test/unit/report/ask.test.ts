import { expect, test } from 'vitest';
import type { AskResult } from '../../../src/contracts/ask.ts';
import { askReport } from '../../../src/report/ask.ts';
import { PLAIN } from '../../../src/report/palette.ts';

const result: AskResult = {
  schema: 'mmdeploy.ask/v1',
  question: 'what is this?',
  images: ['a.png'],
  answer: 'a dog',
  estimated: { text: 12, image: 576, wrapper: 13, total: 601, confidence: 'exact' },
  billed: 601,
  completionTokens: 3,
  difference: 0,
  finishReason: 'stop',
};

test('estimated and billed, and that they agree', () => {
  expect(askReport(result, PLAIN)).toBe(
    'tokens  estimated 601 (text 12, image 576, wrapper 13; exact); billed 601 (equal); answer 3\n',
  );
});

test('a difference is shown with its sign', () => {
  expect(askReport({ ...result, billed: 605, difference: 4 }, PLAIN)).toContain('billed 605 (+4)');
  expect(askReport({ ...result, billed: 599, difference: -2 }, PLAIN)).toContain('billed 599 (-2)');
});

test('unknown is said, never 0', () => {
  const other = { ...result, estimated: null, billed: null, difference: null };
  expect(askReport({ ...other, completionTokens: null }, PLAIN)).toBe(
    'tokens  estimated unknown (this server gives no estimate); billed unknown; answer unknown\n',
  );
  const estimated = { text: 12, image: null, wrapper: null, total: null, confidence: 'unknown' };
  expect(askReport({ ...result, estimated, difference: null } as AskResult, PLAIN)).toContain(
    'estimated unknown (no rule for an image of this model); billed 601;',
  );
});

test('a cut answer is said to be one', () => {
  expect(askReport({ ...result, finishReason: 'length' }, PLAIN)).toContain('--max-tokens');
});
