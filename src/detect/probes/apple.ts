import type { Probe } from '../../contracts/machine.ts';
import { GIB, MIB, parseSize } from '../../units.ts';
import { complaintOf, statusOf } from '../host.ts';
import type { Host } from '../host.ts';
import { NOTHING, noGpus } from '../outcome.ts';
import type { FoundGpu, ProbeOutcome } from '../outcome.ts';
import { at, byteCount, looseJson, objects, reported } from '../values.ts';

export const PROFILER = 'system_profiler';
export const PROFILER_ARGS = ['SPDisplaysDataType', 'SPHardwareDataType', '-json'] as const;
export const MEMORY_ARGS = ['-n', 'hw.memsize'] as const;
export const LIMIT_ARGS = ['-n', 'iogpu.wired_limit_mb'] as const;

/** Apple's GPUs, and the cards of Intel Macs. Only on macOS. */
export async function probeApple(host: Host): Promise<ProbeOutcome> {
  if (host.platform !== 'darwin') return NOTHING;
  const [profile, memory, limit] = await Promise.all([
    host.run(PROFILER, PROFILER_ARGS),
    host.run('sysctl', MEMORY_ARGS),
    host.run('sysctl', LIMIT_ARGS),
  ]);
  const status = statusOf(profile);
  if (status !== 'ok') {
    const detail = complaintOf(profile);
    return noGpus(probe(status, detail), [`${PROFILER} failed: ${detail}`]);
  }
  const gpus = parseApple(profile.stdout, {
    memoryBytes: byteCount(memory.stdout),
    wiredLimitMib: byteCount(limit.stdout),
  });
  const unified = gpus.find((gpu) => gpu.memoryKind === 'unified' && gpu.totalBytes !== null);
  const warnings =
    unified === undefined
      ? []
      : [
          `${unified.name} shares memory with the CPU: its capacity is what macOS lets the GPU wire ` +
            'by default; raise it with `sudo sysctl iogpu.wired_limit_mb=<MiB>`',
        ];
  return { probes: [probe('ok', null)], gpus, warnings };
}

export type AppleMemory = {
  /** `sysctl hw.memsize`. */
  readonly memoryBytes: number | null;
  /** `sysctl iogpu.wired_limit_mb`; 0 and null mean the default. */
  readonly wiredLimitMib: number | null;
};

/** `system_profiler SPDisplaysDataType SPHardwareDataType -json`. */
export function parseApple(text: string, memory: AppleMemory): FoundGpu[] {
  const document = looseJson(text);
  const hardware = objects(at(document, 'SPHardwareDataType'))[0];
  const installed =
    memory.memoryBytes ??
    parseSize((reported(at(hardware, 'physical_memory')) ?? '').replace(/GB$/, 'GiB'));
  return objects(at(document, 'SPDisplaysDataType')).map((entry) => {
    const name = nameOf(entry, reported(at(hardware, 'chip_type')));
    const apple = /^Apple /.test(name);
    return {
      vendor: apple ? 'apple' : vendorOf(reported(at(entry, 'spdisplays_vendor')) ?? name),
      name,
      uuid: null,
      pciId: null,
      ...(apple ? unifiedMemory(installed, memory.wiredLimitMib) : cardMemory(entry)),
      backend: 'metal',
      driverVersion: null,
      runtimeVersion: metalVersion(entry),
      computeCapability: null,
      mig: null,
      source: PROFILER,
    };
  });
}

/**
 * The part of unified memory that Metal recommends as working set, as llama.cpp prints it: two thirds
 * up to 36 GiB (16 GiB: 10922.67 MiB, 32 GiB: 21845.34 MiB), three quarters above (64 GiB: 49152 MiB,
 * 96 GiB: 73728 MiB); llama-cpp-python issue 687, llama.cpp pull 2011, issues 1870 and 3213. macOS 26
 * was seen to give 107.5 of 128 GiB: there this is on the safe side.
 */
export function workingSetBytes(installedBytes: number): number {
  const share = installedBytes <= 36 * GIB ? 2 / 3 : 3 / 4;
  return Math.floor(installedBytes * share);
}

type Memory = Pick<FoundGpu, 'memoryKind' | 'totalBytes' | 'freeBytes'>;

function unifiedMemory(installed: number | null, wiredLimitMib: number | null): Memory {
  const set = wiredLimitMib !== null && wiredLimitMib > 0 ? wiredLimitMib * MIB : null;
  const totalBytes = set ?? (installed === null ? null : workingSetBytes(installed));
  return { memoryKind: 'unified', totalBytes, freeBytes: null };
}

function cardMemory(entry: object): Memory {
  const gib = (key: string) =>
    parseSize((reported(at(entry, key)) ?? '').replace(/\b([GM])B$/, '$1iB'));
  const own = gib('spdisplays_vram') ?? gib('_spdisplays_vram');
  const memoryKind = own === null ? 'shared_system' : 'dedicated';
  return { memoryKind, totalBytes: own, freeBytes: null };
}

function nameOf(entry: object, chip: string | null): string {
  const own = reported(at(entry, 'sppci_model')) ?? reported(at(entry, '_name'));
  return own ?? chip ?? 'GPU';
}

function vendorOf(text: string): FoundGpu['vendor'] {
  if (/AMD|ATI|Radeon|0x1002/i.test(text)) return 'amd';
  if (/NVIDIA|GeForce|0x10de/i.test(text)) return 'nvidia';
  return /Intel|0x8086/i.test(text) ? 'intel' : 'unknown';
}

/** `spdisplays_metal3`, `spdisplays_metal4` to `Metal 3` …; null where it names no version. */
function metalVersion(entry: object): string | null {
  const text = reported(at(entry, 'spdisplays_mtlgpufamilysupport'));
  const version = /metal\s*(\d+)/i.exec(text ?? '')?.[1];
  return version === undefined ? null : `Metal ${version}`;
}

function probe(status: Probe['status'], detail: string | null): Probe {
  return { tool: PROFILER, status, version: null, detail };
}
