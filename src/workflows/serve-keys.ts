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

/** The keys that a server asks for. Throws what `watchKeyFile` and `requireKeysForAll` throw. */
export async function openKeys(
  file: string | null,
  origins: CorsOrigins,
  notice: (line: string) => void,
): Promise<ServeKeys> {
  requireKeysForAll(origins, file !== null);
  if (file === null) return { ring: fixedKeys([]), ownKey: null };
  const ownKey = randomBytes(24).toString('hex');
  const besides = [plainKey(ownKey)];
  const ring = await watchKeyFile(file, { everyMs: LOOK_EVERY_MS, notice, besides });
  return { ring, ownKey };
}
