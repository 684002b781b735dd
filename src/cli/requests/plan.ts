import { MmdeployError, nearest } from '../../errors.ts';
import { KV_TYPES } from '../../memory/kv-cache.ts';
import type { Requirement } from '../../match/require.ts';
import { minimumOf, parseRequirements } from '../../match/require.ts';
import type { Wishes, Workload } from '../../match/types.ts';
import type { PlanRequest } from '../../workflows/plan.ts';
import type { CommonOptions } from '../shell.ts';
import { imagesOfRequest, shares, wholeNumber } from './values.ts';

export type PlanOptions = CommonOptions & {
  readonly mmproj?: string;
  readonly quant?: string;
  readonly encoderQuant?: string;
  readonly engine?: 'llama.cpp' | 'vllm' | 'auto';
  readonly context?: string;
  readonly slots?: string;
  readonly kvType?: string;
  readonly ubatch?: string;
  readonly gpuLayers?: string;
  readonly tensorSplit?: string;
  readonly imageMaxTokens?: string;
  readonly users?: string;
  readonly images?: string;
  readonly text?: string;
  readonly outputTokens?: string;
  readonly gpu?: readonly string[];
  readonly machine?: string;
  readonly interactive?: boolean;
  readonly simulate?: boolean;
  readonly verify?: boolean;
  readonly require?: string;
  readonly recommend?: boolean;
  readonly target?: string;
  readonly write?: string;
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
  return {
    quant: options.quant?.toUpperCase() ?? null,
    encoderQuant: options.encoderQuant?.toUpperCase() ?? null,
    contextPerSlot: wholeNumber('--context', options.context),
    slots: wholeNumber('--slots', options.slots),
    kvType: kvType(options.kvType),
    ubatch: wholeNumber('--ubatch', options.ubatch),
    gpuLayers: gpuLayers(options.gpuLayers),
    tensorSplit: shares('--tensor-split', options.tensorSplit),
    imageMaxTokens: wholeNumber('--image-max-tokens', options.imageMaxTokens),
    workload: toWorkload(options),
    minimum: minimumOf(requirementsOf(options)),
  };
}

function toWorkload({ users, images, text, outputTokens }: PlanOptions): Workload | null {
  if ([users, images, text, outputTokens].every((value) => value === undefined)) return null;
  return {
    users: wholeNumber('--users', users) ?? 1,
    images: imagesOfRequest(images),
    textTokens: wholeNumber('--text', text, 0) ?? 0,
    outputTokens: wholeNumber('--output-tokens', outputTokens, 0) ?? 0,
  };
}

function kvType(value: string | undefined): string | null {
  if (value === undefined) return null;
  const type = value.toLowerCase();
  if ((KV_TYPES as readonly string[]).includes(type)) return type;
  const near = nearest(type, KV_TYPES).map((name) => `\`${name}\``);
  throw new MmdeployError('usage.unknown-quant', `unknown KV cache type \`${value}\``, {
    hints: [
      ...(near.length > 0 ? [`did you mean ${near.join(', ')}?`] : []),
      `the engine takes ${KV_TYPES.join(', ')}`,
    ],
  });
}

function gpuLayers(value: string | undefined): number | null {
  if (value === undefined || value === 'auto') return null;
  return value === 'all' ? Number.POSITIVE_INFINITY : wholeNumber('--gpu-layers', value, 0);
}
