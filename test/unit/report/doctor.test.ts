import { describe, expect, test } from 'vitest';
import type { Gpu, Machine } from '../../../src/contracts/machine.ts';
import { doctorText } from '../../../src/report/doctor.ts';
import { PLAIN } from '../../../src/report/palette.ts';
import { machine } from '../detect/support.ts';

const GIB = 1024 ** 3;
const text = (over: Partial<Machine>) =>
  doctorText(machine(over), { palette: PLAIN, boxes: false });
const gpu: Gpu = {
  id: 'gpu0',
  vendor: 'nvidia',
  name: 'NVIDIA A100-SXM4-40GB',
  uuid: null,
  pciId: null,
  memoryKind: 'dedicated',
  totalBytes: 40 * GIB,
  freeBytes: null,
  backend: 'cuda',
  driverVersion: '510.47.03',
  runtimeVersion: '11.6',
  computeCapability: '8.0',
  mig: null,
  source: 'node-nvidia-smi',
};
const probe = (
  tool: string,
  status: Machine['probes'][number]['status'],
  detail: string | null = null,
) => ({
  tool,
  status,
  version: status === 'ok' ? '1.2.3' : null,
  detail,
});

describe('doctor for people', () => {
  test('the whole machine', () => {
    const shown = text({
      os: { ...machine().os, virtualisation: 'container' },
      cpu: { ...machine().cpu, usableCores: 1.5 },
      memory: { totalBytes: 32 * GIB, limitBytes: 8 * GIB, availableBytes: 6 * GIB },
      gpus: [
        gpu,
        {
          ...gpu,
          id: 'gpu1',
          totalBytes: 20 * GIB,
          freeBytes: 19 * GIB,
          mig: { parentUuid: null, profile: '3g.20gb' },
        },
      ],
      engines: [
        {
          name: 'llama.cpp',
          path: '/opt/llama-server',
          version: '1.0',
          build: 9000,
          devices: [],
          source: 'path',
        },
      ],
      probes: [
        probe('nvidia-smi', 'ok'),
        probe('amd-smi', 'missing'),
        probe('docker', 'ok'),
        probe('ffmpeg', 'missing'),
      ],
      warnings: ['something is off: do `this`'],
    });
    expect(shown).toMatchInlineSnapshot(`
      "System   Debian GNU/Linux 12, x64, kernel 6.1.0 (in a container)
      CPU      AMD Ryzen 7, 8 cores, 16 threads; usable here: 1.5
      Memory   32.00 GiB, limited to 8.00 GiB (cgroup), 6.00 GiB available

      GPU   Name                                  Memory       Free  Kind       Driver                          Backend  Seen by
      gpu0  NVIDIA A100-SXM4-40GB              40.00 GiB    unknown  dedicated  510.47.03, CUDA 11.6, arch 8.0  cuda     node-nvidia-smi
      gpu1  NVIDIA A100-SXM4-40GB MIG 3g.20gb  20.00 GiB  19.00 GiB  dedicated  510.47.03, CUDA 11.6, arch 8.0  cuda     node-nvidia-smi

      Engines
        llama.cpp 1.0, build 9000: /opt/llama-server (path); CPU only

      Tools
        docker             ok  1.2.3
        ffmpeg             missing (WebP and video input of llama-server)

      Probes
        nvidia-smi         ok  1.2.3
        amd-smi            missing

      warning: something is off: do \`this\`"
    `);
  });

  test('no GPU is an answer', () => {
    const probes = [
      probe('nvidia-smi', 'missing'),
      probe('amd-smi', 'missing'),
      probe('git', 'missing'),
    ];
    expect(text({ probes })).toContain(
      'No GPU found: nvidia-smi, amd-smi not installed; llama.cpp runs on the CPU only',
    );
  });

  test('in a container it says how GPUs get in', () => {
    const shown = text({ os: { ...machine().os, virtualisation: 'container' } });
    expect(shown).toContain('`docker run --gpus all`');
    expect(text({})).not.toContain('docker run');
  });

  test('a broken driver is named first', () => {
    const probes = [
      probe('nvidia-smi', 'failed', 'no driver'),
      probe('amd-smi', 'missing'),
      probe('ffmpeg', 'failed'),
    ];
    const shown = text({ probes });
    expect(shown).toContain('No GPU found: nvidia-smi failed; llama.cpp runs on the CPU only');
    expect(shown).toMatch(/nvidia-smi +failed {2}no driver/);
  });

  test('unknown is said to be unknown', () => {
    const shown = text({
      gpus: [
        {
          ...gpu,
          totalBytes: null,
          driverVersion: null,
          runtimeVersion: null,
          computeCapability: null,
          backend: null,
        },
      ],
      cpu: { model: null, physicalCores: null, logicalCores: null, usableCores: null },
    });
    expect(shown).toMatch(/NVIDIA A100-SXM4-40GB +unknown +unknown +dedicated +unknown +none/);
    expect(shown).toContain('unknown model, number of cores unknown');
    expect(shown).not.toMatch(/null|undefined|NaN/);
  });

  test('without an engine the next step is there', () => {
    expect(text({})).toContain('`mmdeploy engine install`');
  });
});
