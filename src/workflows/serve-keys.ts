import { randomBytes } from 'node:crypto';
import { requireKeysForAll, type CorsOrigins } from '../serve/gateway/cors.ts';
import { fixedKeys, watchKeyFile, type KeyRing } from '../serve/gateway/key-file.ts';
import { plainKey } from '../serve/gateway/keys.ts';

const LOOK_EVERY_MS = 1000;

export type ServeKeys = {
  readonly ring: KeyRing;
  /**
   * A key for our own requests and for the command behind `--`, valid for this run; null where none is
   * asked for. It is none of the file's: those may be hashes, and may be withdrawn while we run.
   */
  readonly ownKey: string | null;
};

export type KeyRequest = {
  readonly apiKeyFile: string | null;
  /** Asks for a key without a file too. */
  readonly ownKey?: boolean;
  readonly corsOrigins: CorsOrigins;
};

/** The keys that a server asks for. Throws what `watchKeyFile` and `requireKeysForAll` throw. */
export async function openKeys(
  { apiKeyFile: file, ownKey: always = false, corsOrigins }: KeyRequest,
  notice: (line: string) => void,
): Promise<ServeKeys> {
  requireKeysForAll(corsOrigins, file !== null);
  const ownKey = randomBytes(24).toString('hex');
  const besides = [plainKey(ownKey)];
  if (file === null) {
    return always ? { ring: fixedKeys(besides), ownKey } : { ring: fixedKeys([]), ownKey: null };
  }
  const ring = await watchKeyFile(file, { everyMs: LOOK_EVERY_MS, notice, besides });
  return { ring, ownKey };
}
