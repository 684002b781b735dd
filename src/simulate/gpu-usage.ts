import type { RunCommand } from '../process/run.ts';
import { MIB } from '../units.ts';

/** Memory in use of each NVIDIA card by its UUID, bytes. */
export type GpuUsage = ReadonlyMap<string, number>;

const TIMEOUT_MS = 10_000;

/** What all processes hold on each card; null where there is no nvidia-smi, or it does not answer. */
export async function gpuUsage(run: RunCommand): Promise<GpuUsage | null> {
  return query(run, ['--query-gpu=uuid,memory.used', '--format=csv,noheader,nounits']);
}

/** What the process `pid` holds; null as above, and in containers, where its number is another one. */
export async function processUsage(
  run: RunCommand,
  pid: number | undefined,
): Promise<GpuUsage | null> {
  const fields = '--query-compute-apps=gpu_uuid,used_gpu_memory,pid';
  const usage = await query(run, [fields, '--format=csv,noheader,nounits'], String(pid));
  return usage === null || usage.size === 0 ? null : usage;
}

async function query(
  run: RunCommand,
  args: readonly string[],
  pid: string | null = null,
): Promise<GpuUsage | null> {
  const { outcome, code, stdout } = await run('nvidia-smi', args, { timeoutMs: TIMEOUT_MS });
  if (outcome !== 'exited' || code !== 0) return null;
  return parseUsage(stdout, pid);
}

/** Lines `uuid, MiB` or `uuid, MiB, pid`; those of other processes and without a number are left out. */
export function parseUsage(text: string, pid: string | null): GpuUsage {
  const usage = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [uuid = '', mib = '', owner] = line.split(',').map((field) => field.trim());
    if (!/^\d+$/.test(mib) || (pid !== null && owner !== pid)) continue;
    usage.set(uuid, (usage.get(uuid) ?? 0) + Number(mib) * MIB);
  }
  return usage;
}
