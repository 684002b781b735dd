import type { RunCommand } from '../../process/run.ts';
import type { ReadableFile, ReadResult } from './types.ts';
import { unreadable } from './types.ts';

const PROOF_PIXELS = 8;
const TIMEOUT_MS = 600_000;

/** What was read of a picture, if libvips decodes it to the last row; else why not. Of an animation the first frame. */
export async function provePicture(file: ReadableFile, found: ReadResult): Promise<ReadResult> {
  const { default: sharp } = await import('sharp');
  try {
    // Row by row, and without the cache that keeps files and rows for a second look.
    sharp.cache(false);
    await sharp(file.absolute, { sequentialRead: true, failOn: 'truncated' })
      .resize(PROOF_PIXELS, PROOF_PIXELS, { fit: 'fill', fastShrinkOnLoad: false })
      .raw()
      .toBuffer();
    return found;
  } catch (error) {
    return unreadable(file, `does not decode: ${firstLine(error)}`);
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n')[0]?.trim() ?? '';
}

/** The same for sound and film by the ffmpeg of the machine, which alone decodes them all. */
export function createMediaProof(run: RunCommand, signal: AbortSignal) {
  return async (file: ReadableFile, found: ReadResult): Promise<ReadResult> => {
    const args = ['-v', 'error', '-xerror', '-nostdin', '-protocol_whitelist', 'file'];
    const rest = ['-i', file.absolute, '-f', 'null', '-'];
    const result = await run('ffmpeg', [...args, ...rest], { timeoutMs: TIMEOUT_MS, signal });
    signal.throwIfAborted();
    switch (result.outcome) {
      case 'not-found':
        return unreadable(file, 'not proven to decode: sound and film need ffmpeg in PATH');
      case 'timeout':
        return unreadable(file, `not decoded in ${TIMEOUT_MS / 60_000} minutes`);
      default:
        return result.code === 0 && result.stderr.trim() === ''
          ? found
          : unreadable(file, `does not decode: ${firstLine(result.stderr)}`);
    }
  };
}
