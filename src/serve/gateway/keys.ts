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
    throw unreadable(file, error);
  });
  const keys = parseKeyFile(text);
  const bad = keys.findIndex((key) => !/^[\x21-\x7e]+$/.test(key));
  if (bad !== -1) {
    const what = `key ${bad + 1} of \`${file}\` holds a blank or a character beyond ASCII`;
    throw new MmdeployError('input.invalid', what, {
      hints: ['no client could send it: write one key a line, as `openssl rand -hex 24` prints it'],
    });
  }
  if (keys.length > 0) return keys;
  throw new MmdeployError('input.invalid', `the key file \`${file}\` holds no key`, {
    hints: ['write one key a line, as `openssl rand -hex 24` prints it'],
  });
}

function unreadable(file: string, error: unknown): MmdeployError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') {
    return new MmdeployError('file.missing', `no key file \`${file}\``, {
      hints: [`make one: \`(umask 077; openssl rand -hex 24 > '${file}')\``],
      cause: error,
    });
  }
  const why = code === 'EISDIR' ? 'it is a folder' : messageOf(error);
  return new MmdeployError('file.unreadable', `cannot read the key file \`${file}\`: ${why}`, {
    hints: ['give a file with one key a line: `--api-key-file FILE`'],
    cause: error,
  });
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
