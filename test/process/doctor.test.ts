import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Machine } from '../../src/contracts/machine.ts';
import { detectMachine } from '../../src/detect/machine.ts';
import type { DetectDeps } from '../../src/detect/machine.ts';
import { documentsOf, runPackage } from '../../src/detect/package-run.ts';
import { makeHost } from '../../src/detect/host.ts';
import { parseLog } from '../../src/detect/probes/nvidia-log.ts';
import { parseXml } from '../../src/detect/xml.ts';
import { runCommand } from '../../src/process/run.ts';
import { doctorWorkflow, rawCaptures } from '../../src/workflows/doctor.ts';
import type { Context } from '../../src/workflows/context.ts';

const fixturePath = (name: string) =>
  fileURLToPath(new URL(`../fixtures/detect/${name}`, import.meta.url));
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmdeploy-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A real program, first on PATH. */
function install(name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
}

/** nvidia-smi that answers the log and knows nothing else. */
const logOnly = (name: string, more = '') =>
  `case "$1" in\n-q) ${more} cat '${fixturePath(name)}' ;;\n*) exit 0 ;;\nesac`;

const environment = (over: Record<string, string> = {}) => ({
  PATH: `${folder}:${SYSTEM_PATH}`,
  HOME: folder,
  ...over,
});
const deps = (over: Partial<DetectDeps> = {}): DetectDeps => ({
  run: runCommand,
  env: environment(),
  platform: process.platform,
  findEngines: () => Promise.resolve([]),
  ...over,
});
const nvidiaOf = (machine: Machine) => machine.probes.find(({ tool }) => tool === 'nvidia-smi');

/** Whether a process runs; one that is dead but not yet collected by its parent does not. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe.skipIf(process.platform !== 'linux')('doctor with a real nvidia-smi program', () => {
  test('one GPU comes through node-nvidia-smi', async () => {
    install('nvidia-smi', logOnly('one-gpu-a10g.nvidia-smi.xml'));
    const machine = await detectMachine(deps());
    expect(machine.gpus).toMatchObject([{ name: 'NVIDIA A10G', source: 'node-nvidia-smi' }]);
    expect(nvidiaOf(machine)).toMatchObject({ status: 'ok', version: '515.105.01', detail: null });
  });

  test('two GPUs come through node-nvidia-smi', async () => {
    install('nvidia-smi', logOnly('two-gpus-rtx2070.nvidia-smi.xml'));
    const { gpus } = await detectMachine(deps());
    expect(gpus.map(({ id, pciId, source }) => [id, pciId, source])).toEqual([
      ['gpu0', '0000:01:00.0', 'node-nvidia-smi'],
      ['gpu1', '0000:02:00.0', 'node-nvidia-smi'],
    ]);
  });

  test('MIG instances get profile and UUID from -L', async () => {
    install(
      'nvidia-smi',
      `case "$1" in
-L) cat '${fixturePath('mig-a100.nvidia-smi-list.constructed.txt')}' ;;
-q) cat '${fixturePath('mig-a100.nvidia-smi.xml')}' ;;
esac`,
    );
    const { gpus } = await detectMachine(deps());
    expect(gpus.map(({ mig, source }) => [mig?.profile, source])).toEqual([
      ['3g.20gb', 'node-nvidia-smi'],
      ['3g.20gb', 'node-nvidia-smi'],
    ]);
  });

  test('a warning on stderr loses nothing', async () => {
    install(
      'nvidia-smi',
      logOnly(
        'one-gpu-a10g.nvidia-smi.xml',
        'echo "WARNING: infoROM is corrupted at gpu 0000:00:1E.0" >&2;',
      ),
    );
    const machine = await detectMachine(deps());
    expect(machine.gpus).toMatchObject([{ name: 'NVIDIA A10G', source: 'nvidia-smi -q -x' }]);
    expect(machine.warnings).toContain(
      'nvidia-smi warns: WARNING: infoROM is corrupted at gpu 0000:00:1E.0',
    );
  });

  test('a broken driver (exit 9, the reason on stdout) says why', async () => {
    install('nvidia-smi', `cat '${fixturePath('broken-driver.nvidia-smi.txt')}'\nexit 9`);
    const machine = await detectMachine(deps());
    expect(machine.gpus).toEqual([]);
    expect(nvidiaOf(machine)).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining("couldn't communicate with the NVIDIA driver") as unknown,
    });
    expect(machine.warnings.join()).toContain('`sudo modprobe nvidia`');
  });

  test('a hanging nvidia-smi: an answer in time, and no process left', async () => {
    const pids = join(folder, 'pids');
    install(
      'nvidia-smi',
      `echo $$ >> '${pids}'\ntrap '' TERM\nsleep 300 &\necho $! >> '${pids}'\nwait`,
    );
    const machine = await detectMachine(deps({ toolTimeoutMs: 1500 }));
    expect(nvidiaOf(machine)?.status).toBe('timeout');
    expect(machine.warnings.join()).toContain('did not answer in time');
    const started = readFileSync(pids, 'utf8').trim().split('\n').map(Number);
    // -L, node-nvidia-smi and the query, each with its own child.
    expect(started.length).toBeGreaterThanOrEqual(6);
    await expect.poll(() => started.filter(runs)).toEqual([]);
  });

  test('it hangs inside systeminformation too: what came before is kept', async () => {
    install('nvidia-smi', 'sleep 300');
    install(
      'lspci',
      'echo "01:00.0 VGA compatible controller: NVIDIA Corporation GA102 [GeForce RTX 3090] (rev a1)"',
    );
    const machine = await detectMachine(deps({ toolTimeoutMs: 3000 }));
    const si = machine.probes.find(({ tool }) => tool === 'systeminformation');
    expect(si?.status).toBe('timeout');
    expect(machine.cpu.logicalCores).toBeGreaterThan(0);
    expect(machine.os.kernel).not.toBeNull();
  });

  test('systeminformation sees a card without a driver', async () => {
    install(
      'lspci',
      'echo "01:00.0 VGA compatible controller: NVIDIA Corporation GA102 [GeForce RTX 3090] (rev a1)"',
    );
    const machine = await detectMachine(deps());
    expect(machine.gpus).toMatchObject([
      { vendor: 'nvidia', pciId: '0000:01:00.0', totalBytes: null, source: 'systeminformation' },
    ]);
    expect(machine.warnings.join()).toContain('no NVIDIA driver answers');
  });

  test('another language of the shell does not reach the tools', async () => {
    install(
      'nvidia-smi',
      `[ "$LC_ALL" = C ] && [ "$LANGUAGE" = C ] || { echo 'Fehler: 24,0 GiB'; exit 3; }\n${logOnly('one-gpu-a10g.nvidia-smi.xml')}`,
    );
    const env = environment({ LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8', LANGUAGE: 'de' });
    const { gpus } = await detectMachine(deps({ env }));
    expect(gpus).toMatchObject([{ name: 'NVIDIA A10G' }]);
  });

  test('nothing installed is an answer', async () => {
    const machine = await detectMachine(deps());
    expect(nvidiaOf(machine)).toEqual({
      tool: 'nvidia-smi',
      status: 'missing',
      version: null,
      detail: null,
    });
    expect(machine.gpus).toEqual([]);
  });
});

describe.skipIf(process.platform !== 'linux')('our XML reader', () => {
  test.each([
    'one-gpu-a10g.nvidia-smi.xml',
    'two-gpus-rtx2070.nvidia-smi.xml',
    'mig-a100.nvidia-smi.xml',
    'grace-gb10.nvidia-smi.constructed.xml',
  ])('reads %s as node-nvidia-smi does', async (name) => {
    install('nvidia-smi', logOnly(name));
    const host = makeHost({ run: runCommand, env: environment(), platform: process.platform });
    const [answer] = documentsOf(await runPackage(host, 'node-nvidia-smi'));
    // xml2js leaves the line breaks of an element without content; nothing reads those.
    const trimmed = (tree: unknown): unknown =>
      JSON.parse(JSON.stringify(tree), (_, value: unknown) =>
        typeof value === 'string' ? value.trim() : value,
      );
    const own = trimmed(parseXml(readFileSync(fixturePath(name), 'utf8'), 'nvidia_smi_log'));
    expect(own).toEqual(trimmed((answer as { data: unknown }).data));
    expect(parseLog(own, [], 'x')?.gpus.length).toBeGreaterThan(0);
  });
});

describe.skipIf(process.platform !== 'linux')('the workflow', () => {
  const context = (env: Record<string, string>) =>
    ({
      run: runCommand,
      env,
      platform: process.platform,
      signal: new AbortController().signal,
    }) as Context;

  test('describes this machine', async () => {
    const machine = await doctorWorkflow(context(environment()), () => Promise.resolve([]));
    expect(machine.schema).toBe('mmdeploy.machine/v1');
    expect(machine.memory.totalBytes).toBeGreaterThan(0);
  });

  test('keeps memory and processor when the look-up of the host name hangs', async () => {
    install('hostname', 'exec sleep 60');
    const machine = await detectMachine(deps({ budgetMs: 3000 }));
    expect(machine.probes).toContainEqual(
      expect.objectContaining({ tool: 'systeminformation', status: 'timeout' }),
    );
    expect(machine.memory.availableBytes).toBeGreaterThan(0);
    expect(machine.cpu.logicalCores).toBeGreaterThan(0);
  });

  test('leaves no warning of Node on stderr', async () => {
    const heard: string[] = [];
    const listen = (warning: Error) => heard.push(warning.message);
    process.on('warning', listen);
    try {
      await rawCaptures(context(environment()));
      await doctorWorkflow(context(environment()), () => Promise.resolve([]));
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('warning', listen);
    }
    expect(heard).toEqual([]);
  });

  test('--raw keeps the words and hides the person', async () => {
    install('nvidia-smi', `echo "/home/dorothea says hello to dorothea"\nexit 9`);
    const env = environment({ USER: 'dorothea', HOME: '/home/dorothea' });
    const raw = await rawCaptures(context(env));
    expect(raw).toContain('exit code 9');
    expect(raw).toContain('/home/USER says hello to USER');
    expect(raw).not.toContain('dorothea');
  });
});
