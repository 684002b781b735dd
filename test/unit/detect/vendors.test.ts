import { describe, expect, test } from 'vitest';
import { parseAmdSmi } from '../../../src/detect/probes/amd-smi.ts';
import { probeAmd } from '../../../src/detect/probes/amd.ts';
import { parseApple, probeApple, workingSetBytes } from '../../../src/detect/probes/apple.ts';
import { devicesOf, intelGpu, probeIntel } from '../../../src/detect/probes/intel.ts';
import { parseRocmSmi } from '../../../src/detect/probes/rocm-smi.ts';
import { parseVersion } from '../../../src/detect/probes/tools.ts';
import { fakeHost, fixture, HUNG, ran } from './support.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const MI210 = fixture('mi210.amd-smi-static.json');
const metric = (usage: object) => JSON.stringify({ gpu_data: [{ gpu: 0, mem_usage: usage }] });
const mb = (value: number) => ({ value, unit: 'MB' });

describe('amd-smi', () => {
  test('an Instinct card: MB means MiB, the kernel banner is no driver version', () => {
    const usage = { total_vram: mb(65520), used_vram: mb(13), free_vram: mb(65507) };
    const version = '[{"tool": "AMDSMI Tool", "rocm_version": "6.4.2"}]';
    expect(parseAmdSmi({ fixed: MI210, metric: metric(usage), version })).toEqual([
      {
        vendor: 'amd',
        name: 'AMD Instinct MI210',
        uuid: null,
        pciId: null,
        memoryKind: 'dedicated',
        totalBytes: 65520 * MIB,
        freeBytes: 65507 * MIB,
        backend: 'rocm',
        driverVersion: null,
        runtimeVersion: '6.4.2',
        computeCapability: 'gfx90a',
        mig: null,
        source: 'amd-smi',
      },
    ]);
  });

  test('ROCm 6.0 printed an array; Python warnings may stand before it', () => {
    const { gpu_data } = JSON.parse(MI210) as { gpu_data: object[] };
    const warned = `/usr/lib/python3.14/site-packages/amdsmi/amdsmi_interface.py:3569: SyntaxWarning: 'return' in a 'finally' block\n  return return_dictionary\n${JSON.stringify(gpu_data)}`;
    const gpus = parseAmdSmi({ fixed: warned, metric: '', version: '' });
    expect(gpus).toMatchObject([
      { name: 'AMD Instinct MI210', totalBytes: 65520 * MIB, freeBytes: null },
    ]);
  });

  test('a size as text says MB and means MiB too', () => {
    const { gpu_data } = JSON.parse(MI210) as { gpu_data: { vram: object }[] };
    const fixed = JSON.stringify([{ ...gpu_data[0], vram: { type: 'HBM', size: '65520 MB' } }]);
    const gpus = parseAmdSmi({ fixed, metric: '', version: '' });
    expect(gpus[0]?.totalBytes).toBe(65520 * MIB);
  });

  test('an APU has what the kernel lets it use, not the carve-out', () => {
    const fixed = JSON.stringify({
      gpu_data: [
        {
          gpu: 0,
          asic: { market_name: 'AMD Radeon 8060S Graphics' },
          vram: { type: 'LPDDR5X', size: mb(512) },
        },
      ],
    });
    const usage = { total_vram: mb(512), total_gtt: mb(112640), used_gtt: mb(640) };
    expect(parseAmdSmi({ fixed, metric: metric(usage), version: '' })).toMatchObject([
      { memoryKind: 'unified', totalBytes: 110 * GIB, freeBytes: 112000 * MIB },
    ]);
  });

  test('N/A is unknown', () => {
    const fixed = MI210.replace('65520', '"N/A"').replace('"AMD Instinct MI210"', '"N/A"');
    expect(parseAmdSmi({ fixed, metric: '', version: '' })).toMatchObject([
      { name: 'AMD GPU 0x740f', totalBytes: null },
    ]);
  });
});

describe('rocm-smi', () => {
  test('one card, newer keys', () => {
    expect(parseRocmSmi(fixture('rx-7900-xt.rocm-smi.json'))).toMatchObject([
      {
        name: 'Radeon RX 7900 XT',
        totalBytes: 21458059264,
        freeBytes: 21458059264 - 27856896,
        computeCapability: 'gfx1100',
        source: 'rocm-smi',
      },
    ]);
  });

  test('four cards in order, older keys, the system entry is no card', () => {
    const gpus = parseRocmSmi(fixture('mi100-x4.rocm-smi.json'));
    expect(gpus.map((gpu) => gpu.pciId)).toEqual([
      '0000:83:00.0',
      '0000:a3:00.0',
      '0000:c3:00.0',
      '0000:e3:00.0',
    ]);
    expect(gpus[3]).toMatchObject({
      name: 'Arcturus GL-XL [Instinct MI100]',
      totalBytes: 34342961152,
      driverVersion: '6.3.6',
    });
  });
});

describe('the AMD probe', () => {
  test('falls back from amd-smi to rocm-smi', async () => {
    const outcome = await probeAmd(
      fakeHost({
        'amd-smi': ran('', { code: 1, stderr: 'ModuleNotFoundError: amdsmi' }),
        'rocm-smi': ran(fixture('rx-7900-xt.rocm-smi.json')),
      }),
    );
    expect(outcome.gpus).toMatchObject([{ source: 'rocm-smi' }]);
    expect(outcome.probes).toMatchObject([
      { tool: 'amd-smi', status: 'failed', detail: 'ModuleNotFoundError: amdsmi' },
      { tool: 'rocm-smi', status: 'ok' },
    ]);
  });

  test('without ROCm the kernel driver still tells, for Vulkan', async () => {
    const device = '/sys/class/drm/card1/device';
    const files: Readonly<Record<string, string>> = {
      [`${device}/vendor`]: '0x1002\n',
      [`${device}/device`]: '0x744c\n',
      [`${device}/uevent`]: 'DRIVER=amdgpu\nPCI_SLOT_NAME=0000:0B:00.0\n',
      [`${device}/mem_info_vram_total`]: '21458059264\n',
      [`${device}/mem_info_vram_used`]: '27856896\n',
      '/sys/class/drm/card0/device/vendor': '0x8086\n',
    };
    const outcome = await probeAmd(
      fakeHost(
        {},
        {
          listFolder: () => Promise.resolve(['card0', 'card1', 'card1-DP-1', 'renderD128']),
          readText: (path) => Promise.resolve(files[path] ?? null),
        },
      ),
    );
    expect(outcome.gpus).toMatchObject([
      {
        name: 'AMD GPU 0x744c',
        pciId: '0000:0b:00.0',
        totalBytes: 21458059264,
        backend: 'vulkan',
        source: 'sysfs',
      },
    ]);
    expect(outcome.warnings.join()).toContain('Vulkan');
  });

  test('a tool that fails where there is no AMD GPU warns nobody', async () => {
    const outcome = await probeAmd(fakeHost({ 'amd-smi': HUNG, 'rocm-smi': HUNG }));
    expect(outcome.warnings).toEqual([]);
    expect(outcome.probes.map(({ status }) => status)).toEqual(['timeout', 'timeout']);
  });
});

describe('Apple', () => {
  // What llama.cpp printed as recommendedMaxWorkingSetSize on these machines.
  test.each([
    [16, 10922.67],
    [32, 21845.34],
    [64, 49152],
    [96, 73728],
  ])('%i GiB of memory: %d MiB for the GPU', (installed, mib) => {
    expect(workingSetBytes(installed * GIB) / MIB).toBeCloseTo(mib, 1);
  });

  const memory = { memoryBytes: 16 * GIB, wiredLimitMib: 0 };

  test('an M1 shares its memory', () => {
    expect(parseApple(fixture('apple-m1.system_profiler.json'), memory)).toMatchObject([
      {
        vendor: 'apple',
        name: 'Apple M1',
        memoryKind: 'unified',
        totalBytes: workingSetBytes(16 * GIB),
        backend: 'metal',
        runtimeVersion: 'Metal 3',
      },
    ]);
  });

  test('a limit that was set counts; without sysctl the hardware report does', () => {
    const text = fixture('apple-m1.system_profiler.json');
    const set = parseApple(text, { ...memory, wiredLimitMib: 14000 });
    expect(set[0]?.totalBytes).toBe(14000 * MIB);
    const both = { ...JSON.parse(text), SPHardwareDataType: [{ physical_memory: '8 GB' }] };
    const told = parseApple(JSON.stringify(both), { memoryBytes: null, wiredLimitMib: null });
    expect(told[0]?.totalBytes).toBe(workingSetBytes(8 * GIB));
    const unknown = parseApple(text, { memoryBytes: null, wiredLimitMib: null });
    expect(unknown[0]?.totalBytes).toBeNull();
  });

  test('a report without sppci_model is named by its title', () => {
    const gpus = parseApple(fixture('apple-m3-pro.system_profiler.json'), memory);
    expect(gpus).toMatchObject([{ vendor: 'apple', name: 'Apple M3 Pro' }]);
  });

  test('the card of an Intel Mac has memory of its own', () => {
    const text = JSON.stringify({
      SPDisplaysDataType: [
        {
          _name: 'kHW_AMDRadeonPro5500MItem',
          sppci_model: 'AMD Radeon Pro 5500M',
          spdisplays_vram: '8 GB',
        },
      ],
    });
    expect(parseApple(text, memory)).toMatchObject([
      { vendor: 'amd', memoryKind: 'dedicated', totalBytes: 8 * GIB },
    ]);
  });

  test('the probe runs on macOS only, and asks sysctl', async () => {
    expect((await probeApple(fakeHost({}))).probes).toEqual([]);
    const outcome = await probeApple(
      fakeHost(
        {
          system_profiler: ran(fixture('apple-m1.system_profiler.json')),
          'hw.memsize': ran('17179869184\n'),
          'iogpu.wired_limit_mb': ran('0\n'),
        },
        { platform: 'darwin' },
      ),
    );
    expect(outcome.gpus[0]?.totalBytes).toBe(workingSetBytes(16 * GIB));
    expect(outcome.warnings.join()).toContain('iogpu.wired_limit_mb');
  });
});

describe('Intel', () => {
  const text = fixture('intel-arc-pro-b60.xpu-smi.constructed.json');

  test('a card has memory of its own, the GPU inside the CPU has not', () => {
    expect(devicesOf(text).map(intelGpu)).toMatchObject([
      {
        name: 'Intel(R) Arc(TM) Pro B60 Graphics',
        pciId: '0000:97:00.0',
        memoryKind: 'dedicated',
        totalBytes: 25669140480,
        freeBytes: 25447604224,
        driverVersion: null,
        backend: 'sycl',
      },
      { name: 'Intel(R) Arc(TM) Graphics', memoryKind: 'shared_system', totalBytes: null },
    ]);
  });

  test('a list without sizes is completed device by device', async () => {
    const [card] = devicesOf(text);
    const outcome = await probeIntel(
      fakeHost({
        'xpu-smi discovery -j': ran(
          JSON.stringify({
            device_list: [{ device_id: 0, device_name: 'Intel(R) Arc(TM) Pro B60 Graphics' }],
          }),
        ),
        'xpu-smi discovery -d 0 -j': ran(JSON.stringify(card)),
      }),
    );
    expect(outcome.gpus).toMatchObject([{ totalBytes: 25669140480, source: 'xpu-smi' }]);
  });
});

test.each([
  ['Docker version 28.2.2, build e6534b4', '28.2.2'],
  ['podman version 4.3.1', '4.3.1'],
  [
    'ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers',
    '5.1.9-0+deb12u1',
  ],
  ['git version 2.39.5', '2.39.5'],
  ['no idea', null],
])('version of %s', (line, version) => expect(parseVersion(line)).toBe(version));
