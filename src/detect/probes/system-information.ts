import type { Systeminformation } from 'systeminformation';
import type { Probe } from '../../contracts/machine.ts';
import { complaintOf, statusOf } from '../host.ts';
import type { Host } from '../host.ts';
import { documentsOf, runPackage } from '../package-run.ts';
import { at } from '../values.ts';

const TOOL = 'systeminformation';

type OsData = Systeminformation.OsData;
type CpuData = Systeminformation.CpuData;
type MemData = Systeminformation.MemData;

/** What systeminformation told before it ended; null for a part that it did not get to. */
export type SystemFacts = {
  readonly probe: Probe;
  readonly os: Pick<OsData, 'distro' | 'release' | 'kernel'> | null;
  readonly cpu: Pick<
    CpuData,
    'manufacturer' | 'brand' | 'physicalCores' | 'cores' | 'flags'
  > | null;
  readonly memory: Pick<MemData, 'total' | 'available'> | null;
  readonly controllers: readonly Systeminformation.GraphicsControllerData[];
};

// `graphics` last: it starts lspci and nvidia-smi and waits for them without limit.
const PARTS = ['mem', 'cpu', 'osInfo', 'graphics'] as const;

/** Runs systeminformation. On macOS its graphics part is left to `system_profiler`'s probe. */
export async function readSystem(host: Host): Promise<SystemFacts> {
  const parts = PARTS.filter((part) => part !== 'graphics' || host.platform !== 'darwin');
  const result = await runPackage(host, TOOL, parts);
  const documents = documentsOf(result);
  const value = (part: (typeof PARTS)[number]) =>
    at(
      documents.find((document) => at(document, 'part') === part),
      'value',
    ) ?? null;
  const status = statusOf(result);
  const controllers = at(value('graphics'), 'controllers');
  return {
    probe: {
      tool: TOOL,
      status,
      version: null,
      detail: status === 'ok' ? null : complaintOf(result),
    },
    os: value('osInfo') as OsData | null,
    cpu: value('cpu') as CpuData | null,
    memory: value('mem') as MemData | null,
    controllers: Array.isArray(controllers)
      ? (controllers as Systeminformation.GraphicsControllerData[])
      : [],
  };
}
