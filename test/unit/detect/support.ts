import { readFileSync } from 'node:fs';
import type { Machine } from '../../../src/contracts/machine.ts';
import { makeHost } from '../../../src/detect/host.ts';
import type { Host, HostOptions } from '../../../src/detect/host.ts';
import type { SystemFacts } from '../../../src/detect/probes/system-information.ts';
import type { RunResult } from '../../../src/process/run.ts';

/** A file of test/fixtures/detect. */
export const fixture = (name: string): string =>
  readFileSync(new URL(`../../fixtures/detect/${name}`, import.meta.url), 'utf8');

export const ran = (stdout: string, over: Partial<RunResult> = {}): RunResult => ({
  code: 0,
  stdout,
  stderr: '',
  outcome: 'exited',
  ...over,
});
export const HUNG: RunResult = { code: null, stdout: '', stderr: '', outcome: 'timeout' };

/** Answers by what the command line contains; a tool is installed when an answer names it. */
export function fakeOptions(
  answers: Readonly<Record<string, RunResult>>,
  over: Partial<HostOptions> = {},
): HostOptions {
  return {
    run: (file, args) => {
      const line = [file, ...args].join(' ');
      const key = Object.keys(answers).find((text) => line.includes(text));
      const answer = key === undefined ? undefined : answers[key];
      return Promise.resolve(answer ?? { ...HUNG, outcome: 'not-found' });
    },
    env: {},
    platform: 'linux',
    find: (name) =>
      Promise.resolve(Object.keys(answers).some((text) => text.startsWith(name)) ? name : null),
    readText: () => Promise.resolve(null),
    listFolder: () => Promise.resolve([]),
    parallelism: () => 8,
    ...over,
  };
}

export const fakeHost = (
  answers: Readonly<Record<string, RunResult>>,
  over: Partial<HostOptions> = {},
): Host => makeHost(fakeOptions(answers, over));

/** node-nvidia-smi's answer as our child process prints it. */
export const packageSays = (data: unknown, error: string | null = null): RunResult =>
  ran(`${JSON.stringify({ error, code: null, data })}\n`);

const GIB = 1024 ** 3;

/** systeminformation on a plain machine: 8 cores, 32 GiB, nothing on the bus. */
export function systemFacts(over: Partial<SystemFacts> = {}): SystemFacts {
  const facts = {
    probe: { tool: 'systeminformation', status: 'ok', version: null, detail: null },
    os: { distro: 'Debian GNU/Linux', release: '12', kernel: '6.1.0' },
    cpu: { manufacturer: 'AMD', brand: 'Ryzen 7', cores: 16, physicalCores: 8, flags: 'fpu sse' },
    memory: { total: 32 * GIB, available: 30 * GIB },
    controllers: [],
  };
  return { ...(facts as unknown as SystemFacts), ...over };
}

/** A machine to start a test from. */
export function machine(over: Partial<Machine> = {}): Machine {
  return {
    schema: 'mmdeploy.machine/v1',
    origin: 'detected',
    os: {
      platform: 'linux',
      distribution: 'Debian GNU/Linux 12',
      kernel: '6.1.0',
      arch: 'x64',
      virtualisation: null,
    },
    cpu: { model: 'AMD Ryzen 7', physicalCores: 8, logicalCores: 16, usableCores: 16 },
    memory: { totalBytes: 32 * GIB, availableBytes: 30 * GIB, limitBytes: null },
    gpus: [],
    engines: [],
    probes: [],
    warnings: [],
    ...over,
  };
}
