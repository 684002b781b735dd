import type { Host } from '../../detect/host.ts';
import { TOOL, nvidiaFolders } from '../../detect/probes/nvidia.ts';
import { MIB } from '../../units.ts';

export type GpuMemory = {
  readonly index: number;
  readonly name: string;
  readonly usedBytes: number;
  readonly totalBytes: number;
};

const ARGS = ['--query-gpu=index,memory.used,memory.total,name', '--format=csv,noheader,nounits'];
/** nvidia-smi takes up to a second a card, and wakes cards that sleep. */
const REST_MS = 15_000;

/** Rows of `index, used MiB, total MiB, name`; a card that does not tell its memory is left out. */
export function parseGpuMemory(text: string): GpuMemory[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const match = /^(\d+), (\d+), (\d+), (.+)$/.exec(line.trim());
    if (match === null) return [];
    const [, index, used, total, name = ''] = match;
    return [
      {
        index: Number(index),
        name,
        usedBytes: Number(used) * MIB,
        totalBytes: Number(total) * MIB,
      },
    ];
  });
}

/**
 * Reads the GPUs' memory with nvidia-smi, at most every 15 s; null where there is none. Only the first
 * caller waits for it: later ones get what is known while it is read anew.
 */
export async function gpuMemoryReader(
  host: Pick<Host, 'find' | 'run' | 'platform' | 'env'>,
  now: () => number,
): Promise<(() => Promise<readonly GpuMemory[]>) | null> {
  const path = await host.find(TOOL, nvidiaFolders(host as Host));
  if (path === null) return null;
  let known: readonly GpuMemory[] | null = null;
  let reading: Promise<readonly GpuMemory[]> | null = null;
  let readAt = -Infinity;
  return async () => {
    if (now() - readAt >= REST_MS && reading === null) {
      readAt = now();
      reading = host.run(path, ARGS).then(({ stdout }) => {
        reading = null;
        return (known = parseGpuMemory(stdout));
      });
    }
    return known ?? reading ?? [];
  };
}
