import { z } from 'zod';

/** `mmdeploy.machine/v1`: what `doctor -o json` prints and `plan --machine` reads. Unknown is `null`, never a guess. */
export const MACHINE_SCHEMA = 'mmdeploy.machine/v1';

const bytes = z.number().int().nonnegative();

const MEMORY_KINDS = ['dedicated', 'unified', 'shared_system', 'unknown'] as const;
const BACKENDS = ['cuda', 'rocm', 'metal', 'sycl', 'vulkan', 'cpu'] as const;
const PROBE_STATUSES = ['ok', 'missing', 'failed', 'timeout', 'skipped'] as const;

export const gpuSchema = z.object({
  /** `gpu0`, `gpu1` … in the order in which the driver numbers them. */
  id: z.string(),
  vendor: z.enum(['nvidia', 'amd', 'apple', 'intel', 'unknown']),
  /** As the driver prints it; the card of gpus.yaml is found from it by `match/`. */
  name: z.string(),
  uuid: z.string().nullable(),
  pciId: z.string().nullable(),
  memoryKind: z.enum(MEMORY_KINDS),
  totalBytes: bytes.nullable(),
  freeBytes: bytes.nullable(),
  /** The backend llama.cpp would use for it. */
  backend: z.enum(BACKENDS).nullable(),
  driverVersion: z.string().nullable(),
  /** CUDA or ROCm version as the driver reports it. */
  runtimeVersion: z.string().nullable(),
  computeCapability: z.string().nullable(),
  /** Of a MIG instance: the id of the GPU it was cut from, and its profile, e.g. `3g.40gb`. */
  mig: z.object({ parentUuid: z.string().nullable(), profile: z.string() }).nullable(),
  /** The probe that saw it: `node-nvidia-smi`, `nvidia-smi --query-gpu`, `amd-smi`, `what-if` … */
  source: z.string(),
});
export type Gpu = z.infer<typeof gpuSchema>;

export const engineFoundSchema = z.object({
  name: z.literal('llama.cpp'),
  path: z.string(),
  version: z.string().nullable(),
  build: z.number().int().nullable(),
  /** What `--list-devices` prints: `CUDA0`, `Vulkan0` …; empty on a CPU-only engine. */
  devices: z.array(z.object({ id: z.string(), name: z.string(), totalMib: z.number().nullable() })),
  /** Where it was found, in order of preference. */
  source: z.enum(['flag', 'env', 'path', 'managed']),
});
export type EngineFound = z.infer<typeof engineFoundSchema>;

const probeSchema = z.object({
  /** `nvidia-smi`, `amd-smi`, `rocm-smi`, `system_profiler`, `systeminformation`, `docker`, `ffmpeg` … */
  tool: z.string(),
  status: z.enum(PROBE_STATUSES),
  version: z.string().nullable(),
  /** Why it failed, in the tool's own words; null when it did not. */
  detail: z.string().nullable(),
});
export type Probe = z.infer<typeof probeSchema>;

export const machineSchema = z.object({
  schema: z.literal(MACHINE_SCHEMA),
  /** How this value was learnt: `detected`, or the what-if text that made it. */
  origin: z.string(),
  os: z.object({
    platform: z.string(),
    distribution: z.string().nullable(),
    kernel: z.string().nullable(),
    arch: z.string(),
    /** `wsl`, `container`, `vm`, or null for bare metal or unknown. */
    virtualisation: z.string().nullable(),
  }),
  cpu: z.object({
    model: z.string().nullable(),
    physicalCores: z.number().int().nullable(),
    logicalCores: z.number().int().nullable(),
    /** What this process may use: cgroup quota and affinity respected. */
    usableCores: z.number().nullable(),
  }),
  memory: z.object({
    totalBytes: bytes.nullable(),
    availableBytes: bytes.nullable(),
    /** The cgroup limit, where one is set below the machine's total. */
    limitBytes: bytes.nullable(),
  }),
  gpus: z.array(gpuSchema),
  engines: z.array(engineFoundSchema),
  probes: z.array(probeSchema),
  warnings: z.array(z.string()),
});
export type Machine = z.infer<typeof machineSchema>;
