import { z } from 'zod';
import { basisSchema, engineNameSchema, modalitySchema } from './basis.ts';
import { deploymentSchema } from './deployment.ts';
import { machineSchema } from './machine.ts';

/** `mmdeploy.plan/v1`: what `plan -o json` prints and `serve --plan` reads. All sizes in bytes. */
export const PLAN_SCHEMA = 'mmdeploy.plan/v1';
export const SURVEY_SCHEMA = 'mmdeploy.survey/v1';

const count = z.number().int().nonnegative();

export const PARTS = [
  'weights',
  'kv-cache',
  'compute',
  'encoder-weights',
  'encoder-compute',
  'runtime',
] as const;
export type Part = (typeof PARTS)[number];

const memoryItemSchema = z.object({
  part: z.enum(PARTS),
  bytes: count,
  basis: basisSchema,
  /** The formula with its values, as `--explain` prints it. */
  formula: z.string(),
});
export type MemoryItem = z.infer<typeof memoryItemSchema>;

const deviceMemorySchema = z.object({
  /** `gpu0` …, or `host`. */
  id: z.string(),
  name: z.string(),
  capacityBytes: count.nullable(),
  freeBytes: count.nullable(),
  /** At load, with the warm-up image; they sum to `afterLoadBytes`. */
  items: z.array(memoryItemSchema),
  afterLoadBytes: count,
  /** After the largest image that the settings allow. */
  peakBytes: count,
  /** Where what that image adds comes from; absent where it is the formulas', or nothing. */
  peakBasis: basisSchema.optional(),
});
export type DeviceMemory = z.infer<typeof deviceMemorySchema>;

const VERDICTS = ['fits', 'tight', 'offload', 'no', 'api'] as const;
const verdictSchema = z.enum(VERDICTS);
export type Verdict = z.infer<typeof verdictSchema>;

const modelFileSchema = z.object({
  path: z.string().nullable(),
  source: z.string().nullable(),
  bytes: count.nullable(),
  sha256: z.string().nullable(),
  /** Only for a file that is not there and can be made: the command, what of, and under which name. */
  make: z.object({ command: z.string(), from: z.string(), output: z.string() }).optional(),
});

const settingsSchema = z.object({
  quant: z.string().nullable(),
  encoderQuant: z.string().nullable(),
  /** Tokens of one slot; `ctxSize` = contextPerSlot x slots is the engine's total. */
  contextPerSlot: count,
  slots: count,
  ctxSize: count,
  kvType: z.string(),
  /** llama.cpp only, from here to `flashAttention`: the type of V where `kvType` is that of K. */
  kvTypeV: z.string().optional(),
  /** One cache that all slots share. */
  kvUnified: z.boolean().optional(),
  /** Sliding layers keep the whole context. */
  swaFull: z.boolean().optional(),
  /** Blocks, from the first, whose experts stay on the CPU. */
  cpuMoeLayers: count.optional(),
  flashAttention: z.boolean().optional(),
  ubatch: count,
  gpuLayers: count,
  imageMaxTokens: count.nullable(),
  /** GPUs that share every layer (vLLM); absent where layers are placed whole. */
  tensorParallelSize: count.optional(),
  /** Machines that share the layers (vLLM, over several). */
  pipelineParallelSize: count.optional(),
});

const engineSchema = z.object({
  name: engineNameSchema,
  minVersion: z.string().nullable(),
  args: z.array(z.string()),
});

/** What holds the model or the workload where the machine does not, on machines like it. */
const scaleOutSchema = z.object({
  /** vLLM on this very machine; copies of it; one of several machines. */
  kind: z.enum(['one-node', 'replicas', 'multi-node']),
  /** Copies of the model. */
  replicas: count,
  /** Machines of each copy. */
  nodes: count,
  /** GPUs of a machine that share every layer of a copy. */
  tensor: count,
  /** Machines that share the layers of a copy. */
  pipeline: count,
  /** Machines in all: one may hold several copies. */
  machines: count,
  /** Users that a copy holds at once. */
  usersPerReplica: count,
  why: z.string(),
  /** The target that deploys it. */
  target: z.enum(['vllm', 'kserve', 'lws']),
  /** Of each copy; the memory is that of the fullest of its machines. */
  settings: settingsSchema,
  files: z.object({ model: modelFileSchema.nullable(), mmproj: modelFileSchema.nullable() }),
  memory: z.object({ devices: z.array(deviceMemorySchema) }),
  verdict: verdictSchema,
  engine: engineSchema,
});
export type ScaleOut = z.infer<typeof scaleOutSchema>;

/** One term of `--require` and what the plan has. */
const requirementSchema = z.object({
  term: z.string(),
  actual: z.string(),
  met: z.boolean(),
  /** What keeps the plan from it; null where it is met or does not fit at all. */
  because: z.string().nullable(),
});
export type RequirementResult = z.infer<typeof requirementSchema>;

/** What one request of the workload costs at a model's vendor. */
const requestSchema = z.object({
  /** null where an input of it cannot be counted. */
  inputTokens: count.nullable(),
  outputTokens: count,
  range: z.object({ low: count, high: count }).nullable(),
  costUsd: z.object({ input: z.number(), output: z.number(), total: z.number() }).nullable(),
  priceAsOf: z.string().nullable(),
});

export const verifiedDeviceSchema = z.object({
  id: z.string(),
  parts: z.array(z.object({ part: z.enum(PARTS), plannedBytes: count, measuredBytes: count })),
  /** What the driver says the engine took; null where it does not tell. */
  driverBytes: count.nullable(),
});

/** One real load of the model: what the engine allocated beside what was planned. */
const verificationSchema = z.object({
  engine: z.object({ path: z.string(), build: z.number().int().nullable() }),
  devices: z.array(verifiedDeviceSchema),
  /** Resident memory of the engine's process, mapped file pages included. */
  residentBytes: count.nullable(),
  calibrationFile: z.string(),
});
export type Verification = z.infer<typeof verificationSchema>;

export const planSchema = z.object({
  schema: z.literal(PLAN_SCHEMA),
  machine: machineSchema,
  model: z.object({
    id: z.string(),
    name: z.string(),
    family: z.string(),
    modalities: z.array(modalitySchema),
    engines: z.array(engineNameSchema),
  }),
  files: z.object({ model: modelFileSchema.nullable(), mmproj: modelFileSchema.nullable() }),
  settings: settingsSchema.nullable(),
  memory: z.object({ devices: z.array(deviceMemorySchema) }),
  verdict: verdictSchema,
  /** Why the verdict is what it is, and the smallest change that would better it. */
  reasons: z.array(z.string()),
  warnings: z.array(z.string()),
  engine: engineSchema.nullable(),
  alternatives: z.array(
    z.object({
      quant: z.string().nullable(),
      contextPerSlot: count,
      slots: count,
      /** Cap on the tokens of one image; null: the model's own. */
      imageMaxTokens: count.nullable(),
      /** Over all GPUs, or of the host where there is none. */
      peakBytes: count,
      verdict: verdictSchema,
      /** What it has more of than the plan, and what less. */
      gains: z.array(z.string()),
      givesUp: z.array(z.string()),
    }),
  ),
  /** Only where the model or the workload outgrows the machine and vLLM runs on machines like it. */
  scaleOut: scaleOutSchema.optional(),
  /** Only of an API model with a workload. */
  request: requestSchema.optional(),
  /** Only with `--require`. */
  requirements: z.array(requirementSchema).optional(),
  /** Only with `--verify`. */
  verification: verificationSchema.optional(),
  /** Only with `--target`: what was written, or would be. */
  deployment: deploymentSchema.optional(),
});
export type DeploymentPlan = z.infer<typeof planSchema>;

/** One row of a survey: a plan without the machine, which the survey states once. */
const candidateSchema = planSchema.omit({ schema: true, machine: true });
export type Candidate = z.infer<typeof candidateSchema>;

export const surveySchema = z.object({
  schema: z.literal(SURVEY_SCHEMA),
  machine: machineSchema,
  candidates: z.array(candidateSchema),
});
export type Survey = z.infer<typeof surveySchema>;
