import { chmod, lstat, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MmdeployError } from '../../errors.ts';
import { makeFolder } from '../../process/make-folder.ts';

const OTHERS_WRITE = 0o022;
const WORLD_WRITES = 0o002;
const STICKY = 0o1000;
const PERMISSIONS = 0o777;

/**
 * The folder `name` below `base`, made where it is missing, that only this user can enter. llama-server
 * follows symlinks below its media path, so whoever can write there lets it read any file: a folder that
 * others could have filled, or can put another in place of, is refused with `input.invalid`. What cannot
 * be made at all (a read-only or full disk) rejects with the system's error.
 */
export async function privateFolder(base: string, name: string): Promise<string> {
  await makeFolder(base);
  const parent = await realpath(base);
  const user = process.getuid?.();
  if (user !== undefined) await checkParent(parent, user);
  const folder = join(parent, name);
  await makeFolder(folder);
  if (user !== undefined) await checkOwn(folder, user);
  return folder;
}

/** Sticky folders (`/tmp`) are shared, but nobody can rename what is another's. */
async function checkParent(parent: string, user: number): Promise<void> {
  const { uid, mode } = await stat(parent);
  if (uid !== user && uid !== 0) throw refused(parent, `it belongs to user ${uid}`);
  if ((mode & WORLD_WRITES) !== 0 && (mode & STICKY) === 0) {
    throw refused(parent, 'every user of this machine can write to it');
  }
}

async function checkOwn(folder: string, user: number): Promise<void> {
  const facts = await lstat(folder);
  if (!facts.isDirectory()) throw refused(folder, 'it is a symlink');
  if (facts.uid !== user) throw refused(folder, `it belongs to user ${facts.uid}`);
  if ((facts.mode & OTHERS_WRITE) !== 0) throw refused(folder, 'other users can write to it');
  if ((facts.mode & PERMISSIONS) !== 0o700) await chmod(folder, 0o700);
}

function refused(folder: string, why: string): MmdeployError {
  return new MmdeployError('input.invalid', `media cannot be kept in \`${folder}\`: ${why}`, {
    hints: [
      'the engine reads what lies there: give a folder of your own, as in `mmdeploy serve … --cache-dir ~/.cache/mmdeploy`',
    ],
  });
}
