import { createWriteStream, fstatSync, openSync, renameSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolderSync } from '../../process/make-folder.ts';
import { MIB } from '../../units.ts';

const ROTATE_ABOVE_BYTES = 16 * MIB;
/** What may wait for a slow disk; more is left out, since the engine must not wait. */
const MOST_WAITING_BYTES = 4 * MIB;

export type LogFile = {
  readonly append: (chunk: Buffer) => void;
  readonly close: () => void;
};

/**
 * A file that is appended to (0600, its folder 0700) and set aside as `path.1` whenever it has grown
 * beyond `rotateAboveBytes`, so that the two never take more than about twice that. null where it cannot
 * be written. A disk that fills up later ends the writing and nothing else.
 */
export function openLogFile(path: string, rotateAboveBytes = ROTATE_ABOVE_BYTES): LogFile | null {
  try {
    makeFolderSync(dirname(path));
    let { stream, bytes } = openForAppend(path);
    const rotate = () => {
      stream.end();
      try {
        renameSync(path, `${path}.1`);
      } catch {
        // Not ours to rename, or already gone: it goes on growing, or begins anew.
      }
      ({ stream, bytes } = openForAppend(path));
    };
    return {
      append: (chunk) => {
        if (stream.destroyed || stream.writableLength > MOST_WAITING_BYTES) return;
        try {
          if (bytes > rotateAboveBytes) rotate();
        } catch {
          stream.destroy();
          return;
        }
        bytes += chunk.length;
        stream.write(chunk);
      },
      close: () => void stream.end(),
    };
  } catch {
    return null;
  }
}

function openForAppend(path: string): { stream: WriteStream; bytes: number } {
  const fd = openSync(path, 'a', 0o600);
  const stream = createWriteStream(path, { fd }).on('error', () => undefined);
  return { stream, bytes: fstatSync(fd).size };
}
