import { describe, expect, test } from 'vitest';
import { parseCsv } from '../../../src/detect/probes/nvidia-csv.ts';
import { parseList, parseLog } from '../../../src/detect/probes/nvidia-log.ts';
import { probeNvidia } from '../../../src/detect/probes/nvidia.ts';
import { parseXml } from '../../../src/detect/xml.ts';
import { fakeHost, fixture, HUNG, packageSays, ran } from './support.ts';

const MIB = 1024 ** 2;
const treeOf = (name: string) => parseXml(fixture(name), 'nvidia_smi_log');
const gpusOf = (name: string, list = '') =>
  parseLog(treeOf(name), parseList(list), 'node-nvidia-smi')?.gpus ?? [];

describe('nvidia-smi -q -x', () => {
  test('one GPU', () => {
    expect(gpusOf('one-gpu-a10g.nvidia-smi.xml')).toEqual([
      {
        vendor: 'nvidia',
        name: 'NVIDIA A10G',
        uuid: 'GPU-9a9a6c50-2a47-2f51-a902-b82c3b127e94',
        pciId: '0000:00:1e.0',
        memoryKind: 'dedicated',
        totalBytes: 23028 * MIB,
        freeBytes: 22569 * MIB,
        backend: 'cuda',
        driverVersion: '515.105.01',
        runtimeVersion: '11.7',
        computeCapability: null,
        mig: null,
        source: 'node-nvidia-smi',
      },
    ]);
  });

  test('two GPUs keep the order of the driver', () => {
    const gpus = gpusOf('two-gpus-rtx2070.nvidia-smi.xml');
    expect(gpus.map(({ name, pciId, totalBytes }) => [name, pciId, totalBytes])).toEqual([
      ['NVIDIA GeForce RTX 2070', '0000:01:00.0', 8192 * MIB],
      ['NVIDIA GeForce RTX 2070', '0000:02:00.0', 8192 * MIB],
    ]);
  });

  test('each MIG instance is a GPU with its own memory; the board is not counted', () => {
    const list = fixture('mig-a100.nvidia-smi-list.constructed.txt');
    const gpus = gpusOf('mig-a100.nvidia-smi.xml', list);
    expect(
      gpus.map(({ uuid, totalBytes, freeBytes, mig }) => [uuid, totalBytes, freeBytes, mig]),
    ).toEqual([
      [
        'MIG-e07a497d-1bb6-5a42-b670-1c33bf55ab6e',
        19968 * MIB,
        19948 * MIB,
        { parentUuid: 'GPU-27b94a00-ed54-5c24-b1fd-1054085de32a', profile: '3g.20gb' },
      ],
      [
        'MIG-90155500-9a09-5016-9746-95ef09bd78a6',
        19968 * MIB,
        19948 * MIB,
        { parentUuid: 'GPU-27b94a00-ed54-5c24-b1fd-1054085de32a', profile: '3g.20gb' },
      ],
    ]);
    expect(gpus[0]?.name).toBe('NVIDIA A100-SXM4-40GB');
  });

  test('without -L an instance has no UUID and is named by its ids', () => {
    const [first, second] = gpusOf('mig-a100.nvidia-smi.xml');
    expect([first?.uuid, first?.mig?.profile, second?.mig?.profile]).toEqual([
      null,
      'GI 1 CI 0',
      'GI 2 CI 0',
    ]);
  });

  test('MIG mode without instances leaves nothing to run on, and says so', () => {
    const text = fixture('mig-a100.nvidia-smi.xml').replace(
      /<mig_devices>[\s\S]*<\/mig_devices>/,
      '<mig_devices>\n            None\n        </mig_devices>',
    );
    const log = parseLog(parseXml(text, 'nvidia_smi_log'), [], 'x');
    expect(log?.gpus).toEqual([]);
    expect(log?.warnings.join()).toContain('`nvidia-smi mig -lgip`');
  });

  test('WSL: what WDDM does not tell is unknown', () => {
    const [gpu] = gpusOf('wsl-gtx1650.nvidia-smi.constructed.xml');
    expect(gpu).toMatchObject({ totalBytes: 4096 * MIB, freeBytes: null, driverVersion: '510.06' });
  });

  test('Grace: no framebuffer of its own is unified memory, capacity not known here', () => {
    const [gpu] = gpusOf('grace-gb10.nvidia-smi.constructed.xml');
    expect(gpu).toMatchObject({
      name: 'NVIDIA GB10',
      memoryKind: 'unified',
      totalBytes: null,
      freeBytes: null,
      pciId: '000f:01:00.0',
    });
  });

  test.each([
    'N/A',
    '[N/A]',
    '[Not Supported]',
    'ERR!',
    '[Insufficient Permissions]',
    '[GPU is lost]',
  ])('a card whose memory reads %s has unknown memory, not unified and not 0', (word) => {
    const text = fixture('one-gpu-a10g.nvidia-smi.xml').replace('23028 MiB', word);
    const log = parseLog(parseXml(text, 'nvidia_smi_log'), [], 'x');
    expect(log?.gpus[0]).toMatchObject({
      memoryKind: 'unknown',
      totalBytes: null,
      freeBytes: null,
    });
  });

  test('a text before the XML is skipped, a cut XML is no log', () => {
    const xml = fixture('one-gpu-a10g.nvidia-smi.xml');
    expect(parseXml(`WARNING: something\n${xml}`, 'nvidia_smi_log')).toEqual(
      parseXml(xml, 'nvidia_smi_log'),
    );
    expect(parseXml(xml.slice(0, -30), 'nvidia_smi_log')).toBeNull();
    expect(parseXml(fixture('broken-driver.nvidia-smi.txt'), 'nvidia_smi_log')).toBeNull();
  });
});

describe('--query-gpu', () => {
  test('rows, with [N/A] as unknown', () => {
    const rows = parseCsv(fixture('grace-gb10.nvidia-smi-csv.txt'), [
      'index',
      'name',
      'memory.total',
      'memory.free',
    ]);
    expect(rows).toMatchObject([
      { index: '0', name: 'NVIDIA GB10', 'memory.total': null, 'memory.free': null, uuid: null },
    ]);
  });

  test('lines that are no row are skipped', () => {
    expect(parseCsv(fixture('broken-driver.nvidia-smi.txt'))).toEqual([]);
  });
});

const CSV =
  '0, NVIDIA A10G, GPU-9a9a6c50-2a47-2f51-a902-b82c3b127e94, 00000000:00:1E.0, 23028, 22569, 22, 515.105.01, 8.6\n';
const XML = fixture('one-gpu-a10g.nvidia-smi.xml');

describe('the probe', () => {
  test('takes node-nvidia-smi, and the compute capability from the query', async () => {
    const outcome = await probeNvidia(
      fakeHost({
        'node-nvidia-smi': packageSays(parseXml(XML, 'nvidia_smi_log')),
        'nvidia-smi -L': ran(''),
        'nvidia-smi --query-gpu': ran(CSV),
      }),
    );
    expect(outcome.gpus).toMatchObject([{ source: 'node-nvidia-smi', computeCapability: '8.6' }]);
    expect(outcome.probes).toEqual([
      { tool: 'nvidia-smi', status: 'ok', version: '515.105.01', detail: null },
    ]);
    expect(outcome.warnings).toEqual([]);
  });

  test('a warning on stderr, which node-nvidia-smi takes for a failure, loses nothing', async () => {
    const warning = 'WARNING: infoROM is corrupted at gpu 0000:00:1E.0';
    const outcome = await probeNvidia(
      fakeHost({
        'node-nvidia-smi': packageSays(null, warning),
        'nvidia-smi -L': ran(''),
        'nvidia-smi -q': ran(XML, { code: 14, stderr: `${warning}\n` }),
        'nvidia-smi --query-gpu': ran(''),
      }),
    );
    expect(outcome.gpus).toMatchObject([{ name: 'NVIDIA A10G', source: 'nvidia-smi -q -x' }]);
    expect(outcome.warnings).toEqual([`nvidia-smi warns: ${warning}`]);
    expect(outcome.probes[0]?.detail).toContain('node-nvidia-smi gave up');
  });

  test('a broken driver says why, in its own words, with the next step', async () => {
    const text = fixture('broken-driver.nvidia-smi.txt');
    const failed = ran(text, { code: 9 });
    const outcome = await probeNvidia(
      fakeHost({
        'node-nvidia-smi': packageSays(null, 'Command failed: nvidia-smi -q -x'),
        'nvidia-smi': failed,
      }),
    );
    expect(outcome.gpus).toEqual([]);
    expect(outcome.probes).toEqual([
      { tool: 'nvidia-smi', status: 'failed', version: null, detail: text.trim() },
    ]);
    expect(outcome.warnings[0]).toMatch(
      /exit code 9.*couldn't communicate.*`sudo modprobe nvidia`/,
    );
  });

  test('another driver in the kernel than in the libraries: reboot', async () => {
    const failed = ran(fixture('driver-mismatch.nvidia-smi.txt'), { code: 18 });
    const outcome = await probeNvidia(
      fakeHost({ 'node-nvidia-smi': packageSays(null, 'x'), 'nvidia-smi': failed }),
    );
    expect(outcome.warnings[0]).toContain('reboot');
  });

  test('a hanging tool is a time-out with a next step, and is not started a fourth time', async () => {
    const started: string[] = [];
    const host = fakeHost({ 'nvidia-smi': HUNG });
    const outcome = await probeNvidia({
      ...host,
      run: (file, args) => {
        started.push(args.join(' '));
        return host.run(file, args);
      },
    });
    expect(outcome.probes[0]?.status).toBe('timeout');
    expect(outcome.warnings[0]).toContain('`sudo nvidia-smi -pm 1`');
    expect(started).toHaveLength(3);
    expect(started).not.toContain('-q -x');
  });

  test('the query alone still gives the GPUs', async () => {
    const outcome = await probeNvidia(
      fakeHost({
        'node-nvidia-smi': HUNG,
        'nvidia-smi -L': HUNG,
        'nvidia-smi --query-gpu': ran(CSV),
      }),
    );
    expect(outcome.gpus).toMatchObject([
      { source: 'nvidia-smi --query-gpu', totalBytes: 23028 * MIB, computeCapability: '8.6' },
    ]);
  });

  test('a driver that does not know compute_cap is asked without it', async () => {
    const outcome = await probeNvidia(
      fakeHost({
        'node-nvidia-smi': packageSays(null, 'x'),
        ',compute_cap': ran('Field "compute_cap" is not a valid field to query.\n', { code: 2 }),
        'nvidia-smi --query-gpu': ran(CSV.replace(', 8.6', '')),
        'nvidia-smi': ran('', { code: 2 }),
      }),
    );
    expect(outcome.gpus).toMatchObject([{ name: 'NVIDIA A10G', computeCapability: null }]);
  });

  test('not installed is a normal outcome', async () => {
    expect(await probeNvidia(fakeHost({}))).toEqual({
      probes: [{ tool: 'nvidia-smi', status: 'missing', version: null, detail: null }],
      gpus: [],
      warnings: [],
    });
  });

  test('outside PATH it is looked for where WSL and Windows put it', async () => {
    const asked: string[] = [];
    const find = (_: string, folders: readonly string[]) => {
      asked.push(...folders);
      return Promise.resolve(null);
    };
    await probeNvidia(fakeHost({}, { find }));
    await probeNvidia(fakeHost({}, { find, platform: 'win32', env: { SystemRoot: 'D:\\Win' } }));
    expect(asked).toContain('/usr/lib/wsl/lib');
    expect(asked).toContain('D:\\Win\\System32');
  });

  test('MIG instances come with what a plan does of them, and how to choose', async () => {
    const outcome = await probeNvidia(
      fakeHost({
        'node-nvidia-smi': packageSays(treeOf('mig-a100.nvidia-smi.xml')),
        'nvidia-smi -L': ran(fixture('mig-a100.nvidia-smi-list.constructed.txt')),
        'nvidia-smi --query-gpu': ran(''),
      }),
    );
    expect(outcome.gpus).toHaveLength(2);
    expect(outcome.warnings.join()).toContain(
      'uses the one with the most memory: choose another with ' +
        '`CUDA_VISIBLE_DEVICES=MIG-e07a497d-1bb6-5a42-b670-1c33bf55ab6e`',
    );
  });
});
