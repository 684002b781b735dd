import { inject } from 'vitest';
import { runCommand } from '../../src/process/run.ts';

export type ReadUnit = {
  /** Command lines, each as the words that a program gets. */
  readonly commands: readonly (readonly string[])[];
  /** What systemd prints of a setting. */
  readonly values: (key: string) => string[];
};

/** A unit as systemd itself has read it: it prints all of it where it is to tell what it does. */
export async function readUnit(file: string): Promise<ReadUnit> {
  const analyze = inject('validators')['systemd-analyze'];
  if (analyze === null) throw new Error('no systemd-analyze');
  const { stdout } = await runCommand(
    analyze.path,
    ['verify', '--man=no', '--recursive-errors=no', file],
    { timeoutMs: 30_000, env: { PATH: process.env['PATH'], SYSTEMD_LOG_LEVEL: 'debug' } },
  );
  const values = (key: string) =>
    [...stdout.matchAll(new RegExp(`^\\s*${key}: (.*)$`, 'gm'))].map(([, value = '']) => value);
  return { commands: values('Command Line').map(words), values };
}

/**
 * It prints words with the escapes of C in double quotes. `$$` is still there, because variables are expanded
 * when a program is started.
 */
function words(line: string): string[] {
  const found = line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  return found.map((word) =>
    (word.startsWith('"') ? unescaped(word.slice(1, -1)) : word).replaceAll('$$', '$'),
  );
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

function unescaped(text: string): string {
  return text.replace(
    /\\(?:([0-7]{3})|(.))/g,
    (_, octal: string | undefined, letter: string | undefined) =>
      octal === undefined
        ? (ESCAPES[letter ?? ''] ?? letter ?? '')
        : String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
