import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { corsHeaders, corsOrigins, requireKeysForAll } from '../../../src/serve/gateway/cors.ts';
import { watchKeyFile } from '../../../src/serve/gateway/key-file.ts';
import { parseKeyFile, plainKey, tenantOf } from '../../../src/serve/gateway/keys.ts';
import { temporaryFolder } from '../../helpers/serve-supervisor.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe('who asks', () => {
  const keys = [plainKey('alpha'), plainKey('beta')];

  test('a key is a tenant: the beginning of its SHA-256', () => {
    expect(tenantOf(keys, bearer('beta'))).toBe(sha256('beta').slice(0, 16));
    expect(tenantOf(keys, { authorization: 'bearer alpha' })).toBe(sha256('alpha').slice(0, 16));
  });

  test("Anthropic's header is as good, but does not mend a wrong `Authorization`", () => {
    expect(tenantOf(keys, { 'x-api-key': 'alpha' })).toBe(sha256('alpha').slice(0, 16));
    expect(tenantOf(keys, { ...bearer('wrong'), 'x-api-key': 'alpha' })).toBeNull();
    expect(tenantOf(keys, { 'x-api-key': ['alpha', 'beta'] })).toBeNull();
  });

  test.each([
    {},
    { authorization: '' },
    { authorization: 'Bearer ' },
    { authorization: 'alpha' },
    { authorization: 'Basic alpha' },
    bearer('alph'),
    bearer(sha256('alpha')),
    bearer(`sha256:${sha256('alpha')}`),
    { 'x-api-key': '' },
  ])('%j is nobody', (headers) => {
    expect(tenantOf(keys, headers)).toBeNull();
  });

  test('without keys everybody is the same one', () => {
    expect(tenantOf([], bearer('whatever'))).toBe('anonymous');
  });
});

describe('a key file', () => {
  const tenants = (text: string) => parseKeyFile(text, 'keys').map(({ digest }) => digest);

  test('plain keys and hashes, comments, blank lines and Windows line ends', () => {
    const text = `# team a\r\n alpha \r\n\r\nsha256:${sha256('beta').toUpperCase()} the beta team\n`;
    expect(tenants(text).map((digest) => digest.toString('hex'))).toEqual([
      sha256('alpha'),
      sha256('beta'),
    ]);
  });

  test.each([
    ['# none yet\n', 'holds no key'],
    ['good\ntwo words\n', 'the key in line 2 of `keys` holds a blank'],
    ['schlüssel\n', 'beyond ASCII'],
    ['sha256:abc\n', 'line 1 of `keys` begins with `sha256:` without 64 hex digits'],
  ])('%j is refused, and not repeated', (text, message) => {
    expect(() => parseKeyFile(text, 'keys')).toThrow(message);
    expect(() => parseKeyFile(text, 'keys')).not.toThrow(/words|schl/);
  });

  test('missing, or a folder', async () => {
    const folder = temporaryFolder();
    const watch = { everyMs: 10, notice: () => undefined, besides: [] };
    await expect(watchKeyFile(join(folder, 'none'), watch)).rejects.toMatchObject({ exitCode: 5 });
    await expect(watchKeyFile(folder, watch)).rejects.toThrow('it is a folder');
  });

  test('a change is taken over; a broken one is told and changes nothing', async () => {
    const file = join(temporaryFolder(), 'keys');
    writeFileSync(file, 'old\n');
    const notices: string[] = [];
    const ring = await watchKeyFile(file, {
      everyMs: 10,
      notice: (line) => notices.push(line),
      besides: [plainKey('own')],
    });
    onTestFinished(() => ring.close());
    const valid = (key: string) => tenantOf(ring.current(), bearer(key)) !== null;
    expect(['old', 'own', 'new'].map(valid)).toEqual([true, true, false]);
    writeFileSync(file, 'two words\n');
    await vi.waitFor(() => expect(notices.join()).toContain('stay valid'), { timeout: 5000 });
    expect(notices.join()).not.toContain('two words');
    expect(valid('old')).toBe(true);
    writeFileSync(file, `sha256:${sha256('new')}\n`);
    await vi.waitFor(() => expect(valid('new')).toBe(true), { timeout: 5000 });
    expect(['old', 'own'].map(valid)).toEqual([false, true]);
    expect(notices.at(-1)).toContain('1 valid');
  });
});

describe('pages of browsers', () => {
  const page = { origin: 'https://app.example' };

  test('none by default; a named one hears its own name', () => {
    expect(corsHeaders([], page)).toEqual({});
    const origins = corsOrigins('https://app.example, http://localhost:3000');
    expect(corsHeaders(origins, page)).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
      vary: 'Origin',
    });
    expect(corsHeaders(origins, { origin: 'https://app.example.org' })).toEqual({ vary: 'Origin' });
  });

  test('all pages only where a key is asked for', () => {
    expect(() => requireKeysForAll(['*'], false)).toThrow(/lets every page in/);
    requireKeysForAll(['*'], true);
    expect(corsHeaders(['*'], page)).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
    });
  });

  test.each(['app.example', 'https://app.example/', 'https://a/b', 'null', 'file:///x', ''])(
    '`%s` is no origin',
    (text) => {
      expect(() => corsOrigins(text)).toThrow(/is no origin/);
    },
  );
});
