import { describe, expect, it } from 'vitest';
import {
  checkKey,
  fileName,
  linkName,
  parseFileName,
  parseLinkName,
  tenantFolder,
} from '../../../../src/serve/media-store/names.ts';
import type { MediaMeta } from '../../../../src/serve/media/types.ts';

const key = 'ab'.repeat(32);
const digest = '0123456789abcdef0123456789abcdef';

describe('names of the media store', () => {
  const metas: MediaMeta[] = [
    { kind: 'image', format: 'png', width: 1024, height: 768 },
    { kind: 'image', format: 'jpeg', width: 1, height: 1 },
    { kind: 'video', format: 'nut', width: 320, height: 240, frames: 2400 },
    { kind: 'audio', format: 'wav', samples: 0 },
    { kind: 'audio', format: 'wav', samples: 57_600_000 },
  ];

  it.each(metas)('tell all about %j', (meta) => {
    const name = fileName({ key, digest, meta });
    expect(parseFileName(name)).toEqual({ key, digest, meta });
    // What `file://` takes as it is, and short enough for encrypted home folders (143 bytes).
    expect(name).toMatch(/^[0-9a-z.-]{1,143}$/);
  });

  it('tell two shapes of the same pixels apart', () => {
    const name = (width: number, height: number) =>
      fileName({ key, digest, meta: { kind: 'image', format: 'png', width, height } });
    expect(name(200, 150)).not.toBe(name(150, 200));
  });

  it.each([
    `${key}-${digest}-0x8.png`,
    `${key}-${digest}-8x8.svg`,
    `${key}-${digest}-8x8.nut`,
    `${key}-${digest}-8x8x0.nut`,
    `${key}-${digest}-8x8.png.part`,
    `../${key}-${digest}-8x8.png`,
    `${key.toUpperCase()}-${digest}-8x8.png`,
    '.tmp-0011',
    '',
  ])('leave `%s` alone', (name) => {
    expect(parseFileName(name)).toBeNull();
  });

  it('tell which content of a raw key is meant', () => {
    const facts = { rawKey: 'cd'.repeat(32), index: 2, count: 30, key };
    expect(parseLinkName(linkName(facts))).toEqual(facts);
    expect(linkName(facts).length).toBeLessThanOrEqual(143);
    expect(parseLinkName(`${key}-${key}`)).toBeNull();
  });

  it('take nothing but digests for keys', () => {
    expect(checkKey(key)).toBe(key);
    expect(() => checkKey('../../etc/passwd')).toThrow(TypeError);
    expect(() => checkKey(`${key}\n`)).toThrow(TypeError);
  });

  it('give each tenant a folder of its own, whatever it is called', () => {
    expect(tenantFolder('../a')).toMatch(/^[0-9a-f]{32}$/);
    expect(tenantFolder('a')).not.toBe(tenantFolder('b'));
  });
});
