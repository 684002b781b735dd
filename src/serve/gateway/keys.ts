import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { MmdeployError, messageOf } from '../../errors.ts';

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

/** The keys of `file`; none without one. Throws `file.missing`, or `input.invalid` when it is empty. */
export async function readKeys(file: string | null): Promise<readonly string[]> {
  if (file === null) return [];
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const message = `cannot read the key file \`${file}\`: ${messageOf(error)}`;
    throw new MmdeployError('file.missing', message, {
      hints: [`make one: \`(umask 077; openssl rand -hex 24 > ${file})\``],
      cause: error,
    });
  });
  const keys = parseKeyFile(text);
  if (keys.length > 0) return keys;
  throw new MmdeployError('input.invalid', `the key file \`${file}\` holds no key`, {
    hints: ['write one key a line'],
  });
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
