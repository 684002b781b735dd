import { createHash } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

/**
 * Digest of a regular file as `digestOf` takes it, or null for anything else. A symlink is not followed:
 * it rejects with `ELOOP`, and with the system's error what cannot be read.
 */
export async function readDigest(path: string): Promise<string | null> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) return null;
    const hash = createHash('sha256');
    await pipeline(file.createReadStream({ autoClose: false, highWaterMark: CHUNK_BYTES }), hash);
    return hash.digest('hex').slice(0, 32);
  } finally {
    await file.close();
  }
}

const CHUNK_BYTES = 256 * 1024;
