import os from 'node:os';
import { MACHINE_SCHEMA, machineSchema } from '../contracts/machine.ts';
import type { EngineFound, Machine } from '../contracts/machine.ts';
import { makeHost } from './host.ts';
import type { Host, HostOptions } from './host.ts';
import { readLimits } from './limits.ts';
import type { Limits } from './limits.ts';
import { mergeGpus } from './merge.ts';
import type { ProbeOutcome } from './outcome.ts';
import { probeAmd } from './probes/amd.ts';
import { probeApple } from './probes/apple.ts';
import { probeIntel } from './probes/intel.ts';
import { probeNvidia } from './probes/nvidia.ts';
import { readSystem } from './probes/system-information.ts';
import type { SystemFacts } from './probes/system-information.ts';
import { probeTools } from './probes/tools.ts';
import { readProcFacts } from './proc-facts.ts';
import { readVirtualisation } from './virtualisation.ts';

export type DetectDeps = HostOptions & {
  readonly arch?: string;
  /** Finds llama-server (`src/engine/`). */
  readonly findEngines: () => Promise<readonly EngineFound[]>;
  readonly systemInformation?: (host: Host) => Promise<SystemFacts>;
  /** Only what a plan depends on: no versions of docker, git and the like. */
  readonly planOnly?: boolean;
  /** The longest that detection may take, however many tools hang. */
  readonly budgetMs?: number;
};

const BUDGET_MS = 9_500;

/**
 * Describes this machine. All probes run at once; a tool that is missing, broken or hangs is written
 * down in `probes` and, where it matters, in `warnings` with the next step. Rejects only on a bug.
 */
export async function detectMachine(deps: DetectDeps): Promise<Machine> {
  const budgetMs = deps.budgetMs ?? BUDGET_MS;
  const budget = AbortSignal.timeout(budgetMs);
  const signal = deps.signal === undefined ? budget : AbortSignal.any([deps.signal, budget]);
  const host = makeHost({ toolTimeoutMs: budgetMs * 0.8, ...deps, signal });
  const [system, nvidia, amd, apple, intel, tools, limits, engines] = await Promise.all([
    (deps.systemInformation ?? (deps.planOnly === true ? quickSystem : readSystem))(host),
    probeNvidia(host),
    probeAmd(host),
    probeApple(host),
    probeIntel(host),
    deps.planOnly === true ? [] : probeTools(host),
    readLimits(host),
    enginesWithin(deps.findEngines, signal),
  ]);
  const vendors = [nvidia, amd, apple, intel];
  const memory = memoryOf(system, limits);
  const merged = mergeGpus({
    found: vendors.map((outcome) => outcome.gpus),
    controllers: system.controllers,
    system: memory,
    answered: answeredVendors(nvidia, amd),
  });
  const warnings = [
    ...vendors.flatMap((outcome) => outcome.warnings),
    ...merged.warnings,
    ...engines.warnings,
    ...limitWarnings(limits, memory),
  ];
  return machineSchema.parse({
    schema: MACHINE_SCHEMA,
    origin: 'detected',
    os: {
      ...osOf(system, deps),
      virtualisation: await readVirtualisation(host, system.cpu?.flags ?? null),
    },
    cpu: cpuOf(system, limits, host),
    memory,
    gpus: merged.gpus,
    engines: engines.found,
    probes: [...vendors.flatMap((outcome) => outcome.probes), system.probe, ...tools],
    warnings: [...new Set(warnings)],
  } satisfies Record<keyof Machine, unknown>);
}

async function quickSystem(host: Host): Promise<SystemFacts> {
  return (await readProcFacts(host)) ?? readSystem(host);
}

function answeredVendors(nvidia: ProbeOutcome, amd: ProbeOutcome) {
  const answered = ({ probes }: ProbeOutcome) => probes.some((probe) => probe.status === 'ok');
  return [
    ...(answered(nvidia) ? (['nvidia'] as const) : []),
    ...(answered(amd) ? (['amd'] as const) : []),
  ];
}

async function enginesWithin(find: DetectDeps['findEngines'], signal: AbortSignal) {
  const late = new Promise<null>((resolve) => {
    signal.addEventListener('abort', () => resolve(null), { once: true });
  });
  const found = await Promise.race([find(), late]);
  if (found !== null) return { found, warnings: [] };
  return { found: [], warnings: ['llama-server did not answer in time: `mmdeploy engine list`'] };
}

function osOf(system: SystemFacts, deps: DetectDeps) {
  const { os: facts } = system;
  const distribution = [facts?.distro, facts?.release].filter((word) => word).join(' ');
  return {
    platform: deps.platform,
    distribution: distribution === '' ? null : distribution,
    kernel: facts?.kernel ?? null,
    arch: deps.arch ?? os.arch(),
  };
}

function cpuOf(system: SystemFacts, limits: Limits, host: Host): Machine['cpu'] {
  const { cpu } = system;
  const usable = host.parallelism();
  return {
    model: cpu === null ? null : cpuModel(cpu.manufacturer, cpu.brand),
    physicalCores: positive(cpu?.physicalCores),
    logicalCores: positive(cpu?.cores),
    usableCores: limits.cores === null ? usable : Math.min(usable, limits.cores),
  };
}

/** systeminformation's "not known" is an empty text or zero. */
const positive = (value: number | undefined) => (value !== undefined && value > 0 ? value : null);

function cpuModel(manufacturer: string, brand: string): string | null {
  const model = brand.startsWith(manufacturer) ? brand : `${manufacturer} ${brand}`;
  return model.trim() === '' ? null : model.trim();
}

function memoryOf(system: SystemFacts, limits: Limits): Machine['memory'] {
  const totalBytes = positive(system.memory?.total) ?? os.totalmem();
  const available = positive(system.memory?.available);
  const limit = limits.memoryBytes;
  // A limit at or above the machine's memory limits nothing.
  if (limit === null || limit >= totalBytes) {
    return { totalBytes, availableBytes: available, limitBytes: null };
  }
  const left = Math.max(0, limit - (limits.memoryUsedBytes ?? 0));
  const availableBytes = available === null ? left : Math.min(available, left);
  return { totalBytes, availableBytes, limitBytes: limit };
}

function limitWarnings(limits: Limits, memory: Machine['memory']): string[] {
  if (memory.limitBytes === null || limits.memoryUsedBytes !== null) return [];
  return [
    'how much of the cgroup memory limit is used could not be read: all of it counts as free',
  ];
}
