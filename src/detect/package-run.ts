import { createRequire } from 'node:module';
import type { RunResult } from '../process/run.ts';
import type { Host } from './host.ts';

const require = createRequire(import.meta.url);

/** The installed file of each package that is run this way. */
const PACKAGES = {
  'node-nvidia-smi': () => require.resolve('node-nvidia-smi'),
  systeminformation: () => require.resolve('systeminformation'),
} as const;

// Each prints one JSON document per line, so what came before a time-out is not lost.
const SCRIPTS = {
  'node-nvidia-smi': `
require(process.argv[1])((error, data) => {
  const text = error ? String(error.message ?? error) : null;
  console.log(JSON.stringify({ error: text, code: error?.code ?? null, data: data ?? null }));
});`,
  systeminformation: `
const si = require(process.argv[1]);
const print = async (part) => {
  const value = await si[part]().catch(() => null);
  console.log(JSON.stringify({ part, value }));
};
const parts = process.argv.slice(2);
(async () => {
  // The others call programs synchronously: what hangs there must not take these along.
  const first = parts.filter((part) => part === 'mem' || part === 'cpu');
  await Promise.all(first.map(print));
  for (const part of parts) if (!first.includes(part)) await print(part);
})();`,
} as const satisfies Record<keyof typeof PACKAGES, string>;

/**
 * Runs a package in a Node process of its own. Both of these start system tools without a time-out,
 * systeminformation even with `execFileSync`, which would stop our own timers: only a process group
 * that can be killed bounds them (docs/decisions/0002-node-nvidia-smi.md).
 */
export function runPackage(
  host: Host,
  name: keyof typeof PACKAGES,
  args: readonly string[] = [],
  extraEnv: Readonly<Record<string, string>> = {},
): Promise<RunResult> {
  const argv = ['-e', SCRIPTS[name], PACKAGES[name](), ...args];
  return host.run(process.execPath, argv, extraEnv);
}

/** The JSON documents of such a run, in order; lines that are none are skipped. */
export function documentsOf(result: RunResult): unknown[] {
  return result.stdout.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return [];
    try {
      return [JSON.parse(line) as unknown];
    } catch {
      return [];
    }
  });
}
