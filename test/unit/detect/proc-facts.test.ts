import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { makeHost } from '../../../src/detect/host.ts';
import type { Host } from '../../../src/detect/host.ts';
import { mayHaveDisplay } from '../../../src/detect/pci-display.ts';
import { readSystem } from '../../../src/detect/probes/system-information.ts';
import { readProcFacts } from '../../../src/detect/proc-facts.ts';
import { runCommand } from '../../../src/process/run.ts';

const PCI = '/sys/bus/pci/devices';
const BRIDGE = '0x060000\n';

/** A Linux host with these files; the class of each PCI device by its address. */
function host(pci: Record<string, string>, files: Record<string, string> = {}): Host {
  const texts: Record<string, string> = { ...files };
  for (const [address, text] of Object.entries(pci)) texts[`${PCI}/${address}/class`] = text;
  return makeHost({
    run: () => Promise.reject(new Error('nothing is run')),
    env: {},
    platform: 'linux',
    listFolder: (path) => Promise.resolve(path === PCI ? Object.keys(pci) : []),
    readText: (path) => Promise.resolve(texts[path] ?? null),
  });
}

const MEMINFO = 'MemTotal:       24684084 kB\nMemFree:  100 kB\nMemAvailable:   24040740 kB\n';
const OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\n';
const thread = (index: number, socket: number, core: number) =>
  `processor\t: ${index}\nmodel name\t: Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz\n` +
  `physical id\t: ${socket}\ncore id\t\t: ${core}\nflags\t\t: fpu vme hypervisor\n\n`;
// Two sockets, each with one core of two threads.
const CPUINFO = [thread(0, 0, 0), thread(1, 0, 0), thread(2, 1, 0), thread(3, 1, 0)].join('');
const FILES = {
  '/proc/meminfo': MEMINFO,
  '/proc/cpuinfo': CPUINFO,
  '/etc/os-release': OS_RELEASE,
};

describe('mayHaveDisplay', () => {
  it.each([
    ['a bridge alone', { '0000:00:00.0': BRIDGE }, false],
    ['a VGA card', { '0000:00:00.0': BRIDGE, '0000:01:00.0': '0x030000\n' }, true],
    ['a data-centre card', { '0000:01:00.0': '0x030200\n' }, true],
    ['no list at all', {}, true],
  ])('%s: %j', async (_, pci, expected) => {
    expect(await mayHaveDisplay(host(pci))).toBe(expected);
  });
});

describe('readProcFacts', () => {
  it('reads memory, cores, the processor and the distribution', async () => {
    expect(await readProcFacts(host({ '0000:00:00.0': BRIDGE }, FILES))).toMatchObject({
      os: { distro: 'Debian GNU/Linux', release: '12' },
      cpu: { brand: 'Intel Xeon® E5-2680 v4', physicalCores: 2, flags: 'fpu vme hypervisor' },
      memory: { total: 24684084 * 1024, available: 24040740 * 1024 },
      controllers: [],
    });
  });

  it('leaves it to systeminformation where a display controller or a file is unknown', async () => {
    expect(await readProcFacts(host({ '0000:01:00.0': '0x030000' }, FILES))).toBeNull();
    const noModel = { ...FILES, '/proc/cpuinfo': 'processor\t: 0\nBogoMIPS\t: 50.00\n' };
    expect(await readProcFacts(host({ '0000:00:00.0': BRIDGE }, noModel))).toBeNull();
  });

  it.skipIf(process.platform !== 'linux')('says what systeminformation says', async () => {
    const here = makeHost({
      run: runCommand,
      env: process.env,
      platform: 'linux',
      readText: (path) => readFile(path, 'utf8').catch(() => null),
      // Only the processor, the memory and the distribution are compared.
      listFolder: (path) =>
        path === PCI ? Promise.resolve(['bridge']) : readdir(path).catch(() => []),
    });
    const withBridge: Host = {
      ...here,
      readText: (path) =>
        path === `${PCI}/bridge/class` ? Promise.resolve(BRIDGE) : here.readText(path),
    };
    const ours = await readProcFacts(withBridge);
    if (ours === null) return; // Not an x86 kernel, or a distribution without /etc/os-release.
    const theirs = await readSystem(withBridge);
    expect(ours.os).toEqual({
      distro: theirs.os?.distro,
      release: theirs.os?.release,
      kernel: theirs.os?.kernel,
    });
    const name = (cpu: typeof ours.cpu) => `${cpu?.manufacturer} ${cpu?.brand}`.trim();
    expect(name(ours.cpu)).toBe(name(theirs.cpu));
    expect(ours.cpu?.cores).toBe(theirs.cpu?.cores);
    expect(ours.cpu?.physicalCores).toBe(theirs.cpu?.physicalCores);
    expect(ours.memory?.total).toBe(theirs.memory?.total);
  });
});
