import { cpus, release } from 'node:os';
import type { Host } from './host.ts';
import { mayHaveDisplay } from './pci-display.ts';
import type { SystemFacts } from './probes/system-information.ts';

/**
 * The facts of a Linux machine without a display controller, straight from the kernel's files and in
 * systeminformation's own terms (a test compares the two): `plan` needs them each time, and the package
 * takes 150 ms and thirty processes for them. Null where anything is missing: the package then tells.
 */
export async function readProcFacts(host: Host): Promise<SystemFacts | null> {
  if (host.platform !== 'linux' || (await mayHaveDisplay(host))) return null;
  const [memoryText, cpuText, releaseText] = await Promise.all(
    ['/proc/meminfo', '/proc/cpuinfo', '/etc/os-release'].map((path) => host.readText(path)),
  );
  const memory = memoryFacts(memoryText ?? '');
  const cpu = cpuFacts(cpuText ?? '', cpus().length);
  const os = distributionFacts(releaseText ?? '');
  if (memory === null || cpu === null || os === null) return null;
  return {
    probe: { tool: '/proc', status: 'ok', version: null, detail: null },
    os: { ...os, kernel: release() },
    cpu,
    memory,
    controllers: [],
  };
}

function memoryFacts(text: string): SystemFacts['memory'] {
  const bytes = (key: string) => {
    const kib = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    return kib === undefined ? null : Number(kib) * 1024;
  };
  const [total, available] = [bytes('MemTotal'), bytes('MemAvailable')];
  return total === null || available === null ? null : { total, available };
}

/** Only x86 kernels name the model: elsewhere this is null. */
function cpuFacts(text: string, cores: number): SystemFacts['cpu'] {
  const value = (key: string, block = text) =>
    new RegExp(`^${key}\\s*: (.+)$`, 'm').exec(block)?.[1]?.trim();
  const brand = value('model name')
    ?.split('@')[0]
    ?.replace(/\(R\)/g, '®')
    .replace(/\(TM\)/gi, '™')
    .replace(/CPU/g, '')
    .replace(/\s+/g, ' ')
    .replace(/^(\S+?)®/, '$1')
    .trim();
  const flags = value('flags');
  const blocks = text.split(/\n\s*\n/).filter((block) => value('processor', block) !== undefined);
  const places = blocks.map((block) => [value('physical id', block), value('core id', block)]);
  if (brand === undefined || flags === undefined) return null;
  if (places.flat().includes(undefined)) return null;
  const physicalCores = new Set(places.map(String)).size;
  return { manufacturer: '', brand, physicalCores, cores, flags };
}

/** `Debian GNU/Linux` and `12`, from `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"`. */
function distributionFacts(text: string): { distro: string; release: string } | null {
  const value = (key: string) => new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1];
  const distro = value('NAME');
  if (distro === undefined || distro === '') return null;
  const pretty = value('PRETTY_NAME') ?? '';
  const version = pretty.startsWith(`${distro} `)
    ? pretty.slice(distro.length + 1)
    : value('VERSION');
  const release = (version ?? '').split('(')[0]?.trim();
  return { distro, release: release || (value('VERSION_ID') ?? '') };
}
