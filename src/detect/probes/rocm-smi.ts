import type { FoundGpu } from '../outcome.ts';
import { at, byteCount, looseJson, pciAddress, reported } from '../values.ts';

export const ROCM_ARGS = [
  '--showproductname',
  '--showmeminfo',
  'vram',
  '--showbus',
  '--showdriverversion',
  '--json',
] as const;

/**
 * `rocm-smi … --json`: cards by name, sizes as strings of bytes. The keys changed their capitals
 * between ROCm 6.0 and 6.1 ("Card series", "Card Series"), so they are matched without case.
 */
export function parseRocmSmi(text: string): FoundGpu[] {
  const document = looseJson(text);
  if (typeof document !== 'object' || document === null) return [];
  const driverVersion = reported(at(document, 'system', 'Driver version'));
  return Object.entries(document)
    .filter(([card]) => /^card\d+$/.test(card))
    .sort(([a], [b]) => Number(a.slice(4)) - Number(b.slice(4)))
    .map(([, facts]: [string, unknown]) => {
      const fact = caseless(facts);
      const totalBytes = byteCount(fact('vram total memory (b)'));
      const used = byteCount(fact('vram total used memory (b)'));
      return {
        vendor: 'amd' as const,
        name: nameOf(fact),
        uuid: null,
        pciId: pciAddress(fact('pci bus')),
        memoryKind: kindOf(totalBytes),
        totalBytes,
        freeBytes: totalBytes === null || used === null ? null : Math.max(0, totalBytes - used),
        backend: 'rocm' as const,
        driverVersion,
        runtimeVersion: null,
        computeCapability: reported(fact('gfx version')),
        mig: null,
        source: 'rocm-smi',
      };
    });
}

/** Below 2 GiB of VRAM it is most likely the part that the firmware cut off for an APU. */
export function kindOf(totalBytes: number | null): FoundGpu['memoryKind'] {
  return totalBytes === null || totalBytes < 2 * 1024 ** 3 ? 'unknown' : 'dedicated';
}

type Fact = (key: string) => unknown;

function caseless(facts: unknown): Fact {
  const entries =
    typeof facts === 'object' && facts !== null
      ? Object.entries(facts).map(([key, value]): [string, unknown] => [key.toLowerCase(), value])
      : [];
  const byKey = new Map(entries);
  return (key) => byKey.get(key);
}

function nameOf(fact: Fact): string {
  const names = ['card series', 'device name', 'card model', 'device id']
    .map((key) => reported(fact(key)))
    .filter((name) => name !== null);
  const named = names.find((name) => !/^0x[0-9a-f]+$/i.test(name));
  return named ?? (names[0] === undefined ? 'AMD GPU' : `AMD GPU ${names[0]}`);
}
