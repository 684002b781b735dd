import { mkdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

type Fault = NodeJS.ErrnoException;

/** Nobody else's business. */
const PRIVATE = 0o700;

/**
 * Makes a folder (0700 unless told otherwise) and what is missing above it. Node's own `recursive` never
 * returns where a parent cannot be made and the system says ENOENT for it, as below /proc; this rejects with
 * that error.
 */
export async function makeFolder(path: string, mode = PRIVATE): Promise<void> {
  const made = await makeOne(path, mode);
  if (made?.code !== 'ENOENT' || dirname(path) === path) {
    settle(made);
    return;
  }
  await makeFolder(dirname(path), mode);
  settle(await makeOne(path, mode));
}

/** The same, for what has to be there before anything else goes on. */
export function makeFolderSync(path: string): void {
  const made = makeOneSync(path);
  if (made?.code !== 'ENOENT' || dirname(path) === path) {
    settle(made);
    return;
  }
  makeFolderSync(dirname(path));
  settle(makeOneSync(path));
}

async function makeOne(path: string, mode: number): Promise<Fault | null> {
  try {
    await mkdir(path, { mode });
    return null;
  } catch (error) {
    return error as Fault;
  }
}

function makeOneSync(path: string): Fault | null {
  try {
    mkdirSync(path, { mode: PRIVATE });
    return null;
  } catch (error) {
    return error as Fault;
  }
}

/** What is there already is whatever it is: the next step finds out. */
function settle(fault: Fault | null): void {
  if (fault !== null && fault.code !== 'EEXIST') throw fault;
}
