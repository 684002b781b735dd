import { readFile } from 'node:fs/promises';
import { unwatchFile, watchFile } from 'node:fs';
import { MmdeployError, messageOf } from '../../errors.ts';
import type { Key } from './keys.ts';
import { parseKeyFile } from './keys.ts';

/** The keys that are valid at the moment. */
export type KeyRing = {
  readonly current: () => readonly Key[];
  /** Ends the watching of its file. */
  readonly close: () => void;
};

/** Keys that never change; none: everybody may ask. */
export function fixedKeys(keys: readonly Key[]): KeyRing {
  return { current: () => keys, close: () => undefined };
}

export type KeyFileWatch = {
  readonly everyMs: number;
  /** Told what became of a changed file. */
  readonly notice: (line: string) => void;
  /** Valid beside those of the file, whatever it says. */
  readonly besides: readonly Key[];
};

/**
 * The keys of `file`, read again whenever it changes. A changed file that cannot be read or holds a
 * line that is no key changes nothing: the keys read before stay valid, and `notice` is told. Looks at
 * the file's times instead of waiting for the system's events: those miss files that are replaced
 * through a link, as Kubernetes does with secrets.
 *
 * Throws `file.missing`, `file.unreadable` or `input.invalid` when the file is bad at the start.
 */
export async function watchKeyFile(file: string, watch: KeyFileWatch): Promise<KeyRing> {
  let keys = await readKeyFile(file);
  const reload = async (): Promise<void> => {
    try {
      keys = await readKeyFile(file);
      watch.notice(`keys      read again from ${file}: ${keys.length} valid`);
    } catch (error) {
      watch.notice(`warning: ${messageOf(error)}: the keys read before stay valid`);
    }
  };
  const onChange = () => void reload();
  watchFile(file, { interval: watch.everyMs, persistent: false }, onChange);
  return {
    current: () => [...keys, ...watch.besides],
    close: () => unwatchFile(file, onChange),
  };
}

async function readKeyFile(file: string): Promise<readonly Key[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw unreadable(file, error);
  });
  return parseKeyFile(text, file);
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
