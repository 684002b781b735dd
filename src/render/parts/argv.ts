import { listenAt } from '../../engines/llama-cpp.ts';
import type { Deployment } from '../types.ts';

export type Placed = {
  /** Folder of each file as the engine sees it. */
  readonly folderOf: (file: { readonly name: string; readonly folder: string }) => string;
  readonly host: string;
  readonly port: number;
};

/**
 * The engine's arguments: the plan's own, on the place's folders, host and port. Nothing else differs from
 * target to target, and a test holds them all against each other.
 */
export function engineArgs(deployment: Deployment, { folderOf, host, port }: Placed): string[] {
  const listen = ['--host', host, '--port', String(port)];
  const planned = deployment.plan.engine?.args ?? [];
  const { files, memory } = deployment;
  if (deployment.engine === 'vllm') {
    // Stated because the memory limit counts on it twice.
    const cache = ['--mm-processor-cache-gb', String(memory.mediaCacheGib ?? 0)];
    return [...listenAt(planned, listen), ...cache];
  }
  const places = files.map((file) => `${folderOf(file).replace(/\/$/, '')}/${file.name}`);
  const args = [...planned];
  for (const [index, flag] of ['--model', '--mmproj'].entries()) {
    const at = args.indexOf(flag);
    const place = places[index];
    if (at !== -1 && place !== undefined) args[at + 1] = place;
  }
  return [
    ...listenAt(args, listen),
    // Stated because the memory limit counts on it; the engine's own is 8 GiB.
    ...['--cache-ram', String(memory.cacheRamMib)],
    // For the alert rules and the autoscaler; and nothing is fetched behind the operator's back.
    ...['--metrics', '--offline'],
  ];
}
