import { describe, expect, test } from 'vitest';
import { decodeBase64, decodedLength } from '../../../src/serve/gateway/base64.ts';
import { cutBase64 } from '../../../src/serve/gateway/cut-base64.ts';

const PIXELS = Buffer.from('not a picture, but bytes');

describe('base64 as clients send it', () => {
  test('line breaks and missing padding are allowed', () => {
    const broken = PIXELS.toString('base64')
      .replace(/=+$/, '')
      .replace(/(.{10})/g, '$1\r\n');
    expect(decodeBase64(broken, 'here')).toEqual(PIXELS);
  });

  test.each([
    ['no base64', '@@@@'],
    ['empty', ''],
    ['no base64', 'QUJ@RA=='],
  ])('%s is refused, with its place', (what, text) => {
    expect(() => decodeBase64(text, 'messages[0]')).toThrow(
      `the data of \`messages[0]\` are ${what === 'empty' ? 'empty' : 'no valid base64'}`,
    );
  });

  test.each([1, 2, 3, 4, 5, 1000])('%i bytes are counted without decoding', (length) => {
    const text = Buffer.alloc(length, 7).toString('base64');
    expect(decodedLength(text)).toBe(length);
    expect(decodedLength(Buffer.from(text))).toBe(length);
    expect(decodedLength(text.replace(/=/g, ''))).toBe(length);
  });
});

describe('long base64 is cut out of a body', () => {
  const long = (letter: string) => Buffer.alloc(20_000, letter).toString('base64');
  const part = (data: string) => ({ url: `data:image/png;base64,${data}` });
  const cut = (value: unknown) => cutBase64(Buffer.from(JSON.stringify(value)), 'secret');

  test('each by a mark of its own, and what is put back in its place is what was sent', () => {
    const sent = { a: part(long('a')), short: part('QUJD'), list: [part(long('b')), 'é"\\'] };
    const found = cut(sent);
    expect([...(found?.texts.keys() ?? [])]).toEqual(['secret.0', 'secret.1']);
    expect(JSON.parse(String(found?.body))).toEqual({
      a: part('secret.0'),
      short: part('QUJD'),
      list: [part('secret.1'), 'é"\\'],
    });
    let whole = String(found?.body);
    for (const [mark, text] of found?.texts ?? []) whole = whole.replace(mark, String(text));
    expect(JSON.parse(whole)).toEqual(sent);
  });

  test.each([
    ['nothing long', { a: part('QUJD') }],
    ['no data URI', { a: long('a') }],
    // PHP writes slashes so: the string has another value than its bytes.
    ['an escape within', { a: part(`${long('a')}\n`) }],
  ])('%s: nothing is cut', (_what, value) => {
    expect(cut(value)).toBeNull();
  });

  test('a string that does not end is left for the parser to complain about', () => {
    expect(cutBase64(Buffer.from(`{"a":"x;base64,${long('a')}`), 'secret')).toBeNull();
  });
});
