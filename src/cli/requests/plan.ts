import { MmdeployError, nearest } from '../../errors.ts';
import { KV_TYPES } from '../../memory/kv-cache.ts';
import { VLLM_KV_TYPES } from '../../memory/vllm/kv-cache.ts';
import type { Requirement } from '../../match/require.ts';
import { minimumOf, parseRequirements } from '../../match/require.ts';
import type { Wishes, Workload } from '../../match/types.ts';
import type { PlanRequest } from '../../workflows/plan.ts';
import type { CommonOptions } from '../shell.ts';
import type { DeployOptions } from './deploy.ts';
import { audioOfRequest, imagesOfRequest, shares, videoOfRequest, wholeNumber } from './values.ts';

export type PlanOptions = CommonOptions &
  DeployOptions & {
    readonly mmproj?: string;
    readonly quant?: string;
    readonly encoderQuant?: string;
    readonly engine?: 'llama.cpp' | 'vllm' | 'auto';
    readonly context?: string;
    readonly slots?: string;
    readonly kvType?: string;
    readonly kvTypeV?: string;
    readonly kvUnified?: boolean;
    readonly swaFull?: boolean;
    readonly flashAttn?: 'on' | 'off' | 'auto';
    readonly cpuMoe?: boolean;
    readonly nCpuMoe?: string;
    /** `--no-mmproj-offload` makes it false. */
    readonly mmprojOffload?: boolean;
    readonly ubatch?: string;
    readonly gpuLayers?: string;
    readonly tensorSplit?: string;
    readonly imageMaxTokens?: string;
    readonly users?: string;
    readonly images?: string;
    readonly audio?: string;
    readonly video?: string;
    readonly text?: string;
    readonly outputTokens?: string;
    readonly gpu?: readonly string[];
    readonly machine?: string;
    readonly interactive?: boolean;
    readonly simulate?: boolean;
    readonly verify?: boolean;
    readonly require?: string;
    readonly recommend?: boolean;
  };

/** Turns the flags of `plan MODEL` into a request; throws `usage.invalid` naming the flag and its value. */
export function toPlanRequest(model: string, options: PlanOptions): PlanRequest {
  const profilesDir = options.profiles ?? null;
  return {
    ...toSurveyRequest(options),
    model: { name: model, mmproj: options.mmproj ?? null, profilesDir },
  };
}

export function toSurveyRequest(
  options: PlanOptions,
): Omit<PlanRequest, 'model'> & { readonly profilesDir: string | null } {
  const profilesDir = options.profiles ?? null;
  return {
    machine: { gpus: options.gpu ?? [], machineFile: options.machine ?? null, profilesDir },
    wishes: toWishes(options),
    engine: options.engine ?? 'auto',
    requirements: requirementsOf(options),
    profilesDir,
  };
}

function requirementsOf({ require }: PlanOptions): readonly Requirement[] {
  return require === undefined ? [] : parseRequirements(require);
}

function toWishes(options: PlanOptions): Wishes {
  const slots = wholeNumber('--slots', options.slots, 1, MOST_USERS);
  const workload = toWorkload(options);
  if (slots !== null && workload !== null && slots < workload.users) {
    throw tooFewSlots(slots, workload.users);
  }
  return {
    quant: options.quant?.toUpperCase() ?? null,
    encoderQuant: options.encoderQuant?.toUpperCase() ?? null,
    contextPerSlot: wholeNumber('--context', options.context),
    slots,
    ...cacheWishes(options),
    cpuMoeLayers: cpuMoeLayers(options),
    encoderOnCpu: options.mmprojOffload === false,
    ubatch: wholeNumber('--ubatch', options.ubatch),
    gpuLayers: gpuLayers(options.gpuLayers),
    tensorSplit: shares('--tensor-split', options.tensorSplit),
    imageMaxTokens: wholeNumber('--image-max-tokens', options.imageMaxTokens),
    workload,
    minimum: minimumOf(requirementsOf(options)),
  };
}

/** Beyond any single server; llama-server itself has 256 slots. */
const MOST_USERS = 65_536;

function tooFewSlots(slots: number, users: number): MmdeployError {
  return new MmdeployError(
    'usage.invalid',
    `\`--users ${users}\` at the same time need ${users} slots, and \`--slots ${slots}\` is fewer`,
    {
      hints: [
        `leave \`--slots\` out, or give \`--slots ${users}\`; whoever finds none free waits: then \`--users ${slots}\``,
      ],
    },
  );
}

function toWorkload(options: PlanOptions): Workload | null {
  const { users, images, audio, video, text, outputTokens } = options;
  const given = [users, images, audio, video, text, outputTokens];
  if (given.every((value) => value === undefined)) return null;
  return {
    users: wholeNumber('--users', users, 1, MOST_USERS) ?? 1,
    images: imagesOfRequest(images),
    audio: audioOfRequest(audio),
    video: videoOfRequest(video),
    textTokens: wholeNumber('--text', text, 0) ?? 0,
    outputTokens: wholeNumber('--output-tokens', outputTokens, 0) ?? 0,
  };
}

type CacheWishes = Pick<Wishes, 'kvType' | 'kvTypeV' | 'unifiedKv' | 'swaFull' | 'flashAttention'>;

function cacheWishes(options: PlanOptions): CacheWishes {
  const wishes = {
    kvType: kvType('--kv-type', options.kvType),
    kvTypeV: kvType('--kv-type-v', options.kvTypeV),
    unifiedKv: options.kvUnified === true,
    swaFull: options.swaFull === true,
    flashAttention: options.flashAttn !== 'off',
  };
  const values = wishes.kvTypeV ?? wishes.kvType ?? 'f16';
  if (!wishes.flashAttention && isQuantised(values)) throw needsFlash(values);
  return wishes;
}

function isQuantised(type: string): boolean {
  return !['f32', 'f16', 'bf16'].includes(type);
}

function needsFlash(values: string): MmdeployError {
  return new MmdeployError(
    'usage.invalid',
    `\`--flash-attn off\` with V in ${values}: llama.cpp reads a quantised V with flash attention only`,
    {
      hints: ['leave `--flash-attn off` out, or keep V as it is: `--kv-type-v f16`'],
    },
  );
}

function cpuMoeLayers({ cpuMoe, nCpuMoe }: PlanOptions): number {
  const some = wholeNumber('--n-cpu-moe', nCpuMoe, 0);
  if (cpuMoe !== true) return some ?? 0;
  if (some === null) return Number.POSITIVE_INFINITY;
  throw new MmdeployError('usage.invalid', '`--cpu-moe` and `--n-cpu-moe` exclude each other', {
    hints: ['`--cpu-moe` is every layer; `--n-cpu-moe N` the first N of them'],
  });
}

function kvType(flag: string, value: string | undefined): string | null {
  if (value === undefined) return null;
  const type = value.toLowerCase();
  // `fp8` is vLLM's; the engine that is planned for refuses what it has not.
  const known: readonly string[] = [...KV_TYPES, ...VLLM_KV_TYPES];
  if (known.includes(type)) return type;
  const near = nearest(type, known).map((name) => `\`${name}\``);
  throw new MmdeployError('usage.unknown-quant', `\`${flag} ${value}\`: unknown KV cache type`, {
    hints: [
      ...(near.length > 0 ? [`did you mean ${near.join(', ')}?`] : []),
      `llama.cpp takes ${KV_TYPES.join(', ')}; vLLM ${VLLM_KV_TYPES.join(', ')}`,
    ],
  });
}

function gpuLayers(value: string | undefined): number | null {
  if (value === undefined || value === 'auto') return null;
  return value === 'all' ? Number.POSITIVE_INFINITY : wholeNumber('--gpu-layers', value, 0);
}
