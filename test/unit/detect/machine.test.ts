import { describe, expect, test } from 'vitest';
import { detectMachine } from '../../../src/detect/machine.ts';
import type { DetectDeps } from '../../../src/detect/machine.ts';
import { parseXml } from '../../../src/detect/xml.ts';
import { parseMachine } from '../../../src/match/machine-file.ts';
import type { RunResult } from '../../../src/process/run.ts';
import { fakeOptions, fixture, HUNG, packageSays, ran, systemFacts } from './support.ts';

const GIB = 1024 ** 3;
const smi = (name: string) => packageSays(parseXml(fixture(name), 'nvidia_smi_log'));
const detect = (answers: Readonly<Record<string, RunResult>>, over: Partial<DetectDeps> = {}) =>
  detectMachine({
    ...fakeOptions(answers),
    arch: 'x64',
    findEngines: () => Promise.resolve([]),
    systemInformation: () => Promise.resolve(systemFacts()),
    ...over,
  });
const controllers = (...list: object[]) =>
  systemFacts({ controllers: list } as Parameters<typeof systemFacts>[0]);
const NVIDIA_BUS = { vendor: 'NVIDIA Corporation', model: 'GA102 [A10G]', busAddress: '00:1e.0' };

describe('detectMachine', () => {
  test('no GPU is an answer, and `plan --machine` takes the document back', async () => {
    const machine = await detect({});
    expect(machine).toMatchObject({
      schema: 'mmdeploy.machine/v1',
      origin: 'detected',
      os: { distribution: 'Debian GNU/Linux 12', kernel: '6.1.0', virtualisation: null },
      cpu: { model: 'AMD Ryzen 7', physicalCores: 8, logicalCores: 16, usableCores: 8 },
      memory: { totalBytes: 32 * GIB, availableBytes: 30 * GIB, limitBytes: null },
      gpus: [],
      warnings: [],
    });
    expect(parseMachine(JSON.stringify(machine), 'machine.json')).toEqual(machine);
  });

  test('a container without lspci: the driver is enough', async () => {
    const machine = await detect(
      { 'node-nvidia-smi': smi('one-gpu-a10g.nvidia-smi.xml'), 'nvidia-smi': ran('') },
      { readText: (path) => Promise.resolve(path === '/.dockerenv' ? '' : null) },
    );
    expect(machine.os.virtualisation).toBe('container');
    expect(machine.gpus).toMatchObject([{ id: 'gpu0', name: 'NVIDIA A10G' }]);
  });

  test('the bus does not double what the driver lists', async () => {
    const machine = await detect(
      { 'node-nvidia-smi': smi('one-gpu-a10g.nvidia-smi.xml'), 'nvidia-smi': ran('') },
      { systemInformation: () => Promise.resolve(controllers(NVIDIA_BUS)) },
    );
    expect(machine.gpus).toHaveLength(1);
  });

  test('a card that xpu-smi lists is not added again from the bus, a second one is', async () => {
    const listed = { vendor: 'Intel Corporation', model: 'Battlemage G21', busAddress: '97:00.0' };
    const other = { vendor: 'Intel Corporation', model: 'Battlemage G21', busAddress: '98:00.0' };
    const machine = await detect(
      { 'xpu-smi': ran(fixture('intel-arc-pro-b60.xpu-smi.constructed.json')) },
      { systemInformation: () => Promise.resolve(controllers(listed, other)) },
    );
    expect(machine.gpus.map(({ pciId, source }) => [pciId, source])).toEqual([
      ['0000:97:00.0', 'xpu-smi'],
      ['0000:00:02.0', 'xpu-smi'],
      ['0000:98:00.0', 'systeminformation'],
    ]);
  });

  test('a vendor whose places are unknown is not doubled from the bus', async () => {
    const bus = {
      vendor: 'Advanced Micro Devices, Inc. [AMD/ATI]',
      model: 'Navi 31',
      busAddress: '0b:00.0',
    };
    const machine = await detect(
      {},
      {
        listFolder: () => Promise.resolve(['card0']),
        readText: (path) => Promise.resolve(path.endsWith('/vendor') ? '0x1002\n' : null),
        systemInformation: () => Promise.resolve(controllers(bus)),
      },
    );
    expect(machine.gpus).toMatchObject([{ vendor: 'amd', source: 'sysfs', totalBytes: null }]);
  });

  test('the bus adds the GPU inside the CPU, without memory of its own', async () => {
    const intel = { vendor: 'Intel Corporation', model: 'Iris Xe Graphics', busAddress: '00:02.0' };
    const machine = await detect(
      { 'node-nvidia-smi': smi('one-gpu-a10g.nvidia-smi.xml'), 'nvidia-smi': ran('') },
      { systemInformation: () => Promise.resolve(controllers(intel, NVIDIA_BUS)) },
    );
    expect(
      machine.gpus.map(({ id, vendor, memoryKind, totalBytes }) => [
        id,
        vendor,
        memoryKind,
        totalBytes,
      ]),
    ).toEqual([
      ['gpu0', 'nvidia', 'dedicated', 23028 * 1024 ** 2],
      ['gpu1', 'intel', 'shared_system', null],
    ]);
  });

  test('a card whose driver is broken is there, unusable, with the next step', async () => {
    const failed = ran(fixture('broken-driver.nvidia-smi.txt'), { code: 9 });
    const machine = await detect(
      { 'node-nvidia-smi': packageSays(null, 'Command failed'), 'nvidia-smi': failed },
      { systemInformation: () => Promise.resolve(controllers(NVIDIA_BUS)) },
    );
    expect(machine.gpus).toMatchObject([{ vendor: 'nvidia', backend: null, totalBytes: null }]);
    expect(machine.warnings).toHaveLength(2);
  });

  test.each([
    { vendor: 'ASPEED Technology, Inc.', model: 'ASPEED Graphics Family' },
    { vendor: 'Red Hat, Inc.', model: 'Virtio 1.0 GPU' },
    { vendor: 'VMware', model: 'SVGA II Adapter' },
    { vendor: 'Microsoft Corporation', model: 'Hyper-V virtual VGA' },
  ])('$model only shows a console', async (controller) => {
    const machine = await detect(
      {},
      { systemInformation: () => Promise.resolve(controllers(controller)) },
    );
    expect(machine.gpus).toEqual([]);
  });

  test('what CUDA_VISIBLE_DEVICES hides does not come back from the bus', async () => {
    const machine = await detect(
      { 'node-nvidia-smi': smi('one-gpu-a10g.nvidia-smi.xml'), 'nvidia-smi': ran('') },
      {
        env: { CUDA_VISIBLE_DEVICES: '' },
        systemInformation: () => Promise.resolve(controllers(NVIDIA_BUS)),
      },
    );
    expect(machine.gpus).toEqual([]);
    expect(machine.warnings.join()).toContain('CUDA_VISIBLE_DEVICES="" is set: 0 of 1 GPUs');
  });

  test('a card keeps its number when CUDA_VISIBLE_DEVICES hides the one before it', async () => {
    const machine = await detect(
      { 'node-nvidia-smi': smi('two-gpus-rtx2070.nvidia-smi.xml'), 'nvidia-smi': ran('') },
      { env: { CUDA_VISIBLE_DEVICES: '1' } },
    );
    expect(machine.gpus).toMatchObject([{ id: 'gpu1', pciId: '0000:02:00.0' }]);
  });

  test('unified memory: the capacity is the RAM, and is said to be', async () => {
    const machine = await detect({
      'node-nvidia-smi': smi('grace-gb10.nvidia-smi.constructed.xml'),
      'nvidia-smi': ran(''),
    });
    expect(machine.gpus).toMatchObject([
      { memoryKind: 'unified', totalBytes: 32 * GIB, freeBytes: 30 * GIB },
    ]);
    expect(machine.warnings.join()).toContain("the system's RAM stands for it");
  });

  test('in unified memory no more is free than the machine has left', async () => {
    const machine = await detect(
      {
        system_profiler: ran(fixture('apple-m1.system_profiler.json')),
        'hw.memsize': ran('34359738368'),
      },
      { platform: 'darwin', systemInformation: () => Promise.resolve(busy(4 * GIB)) },
    );
    expect(machine.gpus).toMatchObject([{ vendor: 'apple', freeBytes: 4 * GIB }]);
  });

  test('WSL', async () => {
    const machine = await detect(
      { 'node-nvidia-smi': smi('wsl-gtx1650.nvidia-smi.constructed.xml'), 'nvidia-smi': ran('') },
      {
        readText: (path) =>
          Promise.resolve(
            path === '/proc/version' ? fixture('wsl.proc-version.constructed.txt') : null,
          ),
      },
    );
    expect(machine.os.virtualisation).toBe('wsl');
    expect(machine.gpus[0]?.totalBytes).toBe(4096 * 1024 ** 2);
  });

  test('cgroup limits cut memory and cores', async () => {
    const files: Readonly<Record<string, string>> = {
      '/proc/self/cgroup': '0::/kubepods/pod1\n',
      '/sys/fs/cgroup/kubepods/pod1/memory.max': 'max\n',
      '/sys/fs/cgroup/kubepods/memory.max': `${8 * GIB}\n`,
      '/sys/fs/cgroup/kubepods/memory.current': `${3 * GIB}\n`,
      '/sys/fs/cgroup/kubepods/memory.stat': `anon 5\ninactive_file ${GIB}\n`,
      '/sys/fs/cgroup/kubepods/cpu.max': '150000 100000\n',
    };
    const machine = await detect({}, { readText: (path) => Promise.resolve(files[path] ?? null) });
    expect(machine.memory).toEqual({
      totalBytes: 32 * GIB,
      limitBytes: 8 * GIB,
      availableBytes: 6 * GIB,
    });
    expect(machine.cpu.usableCores).toBe(1.5);
    expect(machine.os.virtualisation).toBe('container');
  });

  test('version 1 limits, and a limit above the machine is none', async () => {
    const files: Readonly<Record<string, string>> = {
      '/proc/self/cgroup': '4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${64 * GIB}\n`,
      '/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes': '9223372036854771712\n',
      '/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us': '50000\n',
      '/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
    };
    const machine = await detect({}, { readText: (path) => Promise.resolve(files[path] ?? null) });
    expect(machine.memory.limitBytes).toBeNull();
    expect(machine.cpu.usableCores).toBe(0.5);
  });

  test('every tool and the engine hang: an answer all the same', async () => {
    const never = new Promise<never>(() => undefined);
    const machine = await detect(
      {},
      {
        run: () => never,
        find: (name) => Promise.resolve(`/usr/bin/${name}`),
        findEngines: () => never,
        budgetMs: 50,
      },
    );
    expect(machine.gpus).toEqual([]);
    const statuses = new Set(
      machine.probes.filter(({ tool }) => tool !== 'systeminformation').map(({ status }) => status),
    );
    expect([...statuses]).toEqual(['timeout']);
    expect(machine.warnings.join()).toContain('`mmdeploy engine list`');
  });

  test('systeminformation that ends early leaves unknowns, not guesses', async () => {
    const none = { ...systemFacts(), os: null, cpu: null, memory: null };
    const machine = await detect({}, { systemInformation: () => Promise.resolve(none) });
    expect(machine.cpu).toEqual({
      model: null,
      physicalCores: null,
      logicalCores: null,
      usableCores: 8,
    });
    expect(machine.os.kernel).toBeNull();
    expect(machine.memory.availableBytes).toBeNull();
    expect(machine.memory.totalBytes).toBeGreaterThan(0);
  });

  test('nothing is said twice', async () => {
    const machine = await detect({ 'node-nvidia-smi': HUNG, 'nvidia-smi': HUNG });
    expect(new Set(machine.warnings).size).toBe(machine.warnings.length);
    expect(machine.warnings).toHaveLength(1);
  });
});

function busy(availableBytes: number) {
  const facts = systemFacts();
  return {
    ...facts,
    memory: { ...facts.memory, available: availableBytes } as typeof facts.memory,
  };
}
