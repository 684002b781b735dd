import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * A check of `Authorization: Bearer KEY` against `keys`. It compares digests, all of them, in constant
 * time: the time taken tells neither a key's length nor how much of it was right. No keys: all pass.
 */
export function keyCheck(keys: readonly string[]): (authorization: string | undefined) => boolean {
  if (keys.length === 0) return () => true;
  const digests = keys.map(digest);
  return (authorization) => {
    const given = digest(/^Bearer\s+(\S+)\s*$/i.exec(authorization ?? '')?.[1] ?? '');
    return digests.map((known) => timingSafeEqual(known, given)).includes(true);
  };
}

/** One key a line; blank lines and lines that begin with `#` are left out. */
export function parseKeyFile(text: string): readonly string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
