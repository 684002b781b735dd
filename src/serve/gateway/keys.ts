import { createHash, timingSafeEqual } from 'node:crypto';
import { MmdeployError } from '../../errors.ts';
import type { Tenant } from '../seams.ts';

/** A key that clients may send, as its file tells it: in the open, or as its SHA-256 only. */
export type Key = {
  readonly digest: Buffer;
  /** null where the file holds the hash. */
  readonly plain: string | null;
};

/** The headers in which a key may stand: OpenAI's, else Anthropic's. */
export type KeyHeaders = {
  readonly authorization?: string | undefined;
  readonly 'x-api-key'?: string | readonly string[] | undefined;
};

/** Whose requests those without a key are. */
export const ANONYMOUS: Tenant = 'anonymous';

/**
 * Whose request it is, null for one without a valid key. Digests are compared, all of them, in constant
 * time: the time taken tells neither a key's length nor how much of it was right. No keys: all pass.
 */
export function tenantOf(keys: readonly Key[], headers: KeyHeaders): Tenant | null {
  if (keys.length === 0) return ANONYMOUS;
  const given = digestOf(sentKey(headers) ?? '');
  const matches = keys.map(({ digest }) => timingSafeEqual(digest, given));
  return matches.includes(true) ? given.toString('hex').slice(0, 16) : null;
}

function sentKey(headers: KeyHeaders): string | undefined {
  const bearer = /^Bearer\s+(\S+)\s*$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined || headers.authorization !== undefined) return bearer;
  const { 'x-api-key': other } = headers;
  return typeof other === 'string' ? other : undefined;
}

export function plainKey(key: string): Key {
  return { digest: digestOf(key), plain: key };
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/**
 * The keys of a file: one a line, in the open or as `sha256:HEX` with a name behind it for people. Blank
 * lines and lines that begin with `#` are left out. Throws `input.invalid` for a line that is no key,
 * and for a file that holds none; `file` is named in the error, the keys are not.
 */
export function parseKeyFile(text: string, file: string): readonly Key[] {
  const keys: Key[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line !== '' && !line.startsWith('#')) keys.push(keyOf(line, `line ${index + 1}`, file));
  }
  if (keys.length > 0) return keys;
  throw invalid(`the key file \`${file}\` holds no key`);
}

function keyOf(line: string, place: string, file: string): Key {
  if (/^sha256:/i.test(line)) {
    const hex = /^sha256:([0-9a-f]{64})(?:\s|$)/i.exec(line)?.[1];
    if (hex !== undefined) return { digest: Buffer.from(hex, 'hex'), plain: null };
    throw invalid(
      `${place} of \`${file}\` begins with \`sha256:\` without 64 hex digits behind it`,
    );
  }
  if (/^[\x21-\x7e]+$/.test(line)) return plainKey(line);
  throw invalid(`the key in ${place} of \`${file}\` holds a blank or a character beyond ASCII`);
}

function invalid(message: string): MmdeployError {
  return new MmdeployError('input.invalid', message, {
    hints: [
      'write one key a line, as `openssl rand -hex 24` prints it',
      'or only its hash: `printf \'sha256:%s name\\n\' "$(printf %s "$KEY" | sha256sum | cut -c-64)"`',
    ],
  });
}
