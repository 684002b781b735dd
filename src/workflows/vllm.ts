import type { EngineName } from '../contracts/basis.ts';
import type { ModelDescription, TextModel } from '../contracts/model.ts';
import type { Candidate, ScaleOut } from '../contracts/plan.ts';
import { MmdeployError, nearest } from '../errors.ts';
import type { Resources, Wishes } from '../match/types.ts';
import { alternativesOnVllm, changesOnVllm } from '../match/vllm/alternatives.ts';
import { scaleOut } from '../match/vllm/scale-out.ts';
import { searchVllm, skippedGroups, variantsWithin } from '../match/vllm/search.ts';
import type { VllmChoice, VllmVariant } from '../match/vllm/types.ts';
import { VLLM_FORMATS } from '../memory/vllm/formats.ts';
import { VLLM_KV_TYPES } from '../memory/vllm/kv-cache.ts';
import { vllmCandidate } from '../plan/build-vllm.ts';
import { scaleOutPlan } from '../plan/scale-out.ts';
import { describeProfile } from '../profiles/describe.ts';
import type { Profile } from '../profiles/layers.ts';
import type { LoadedModel } from './model.ts';

export type VllmPlanRequest = {
  readonly loaded: LoadedModel;
  readonly resources: Resources;
  readonly wishes: Wishes;
  readonly asked: EngineName | 'auto';
  readonly warnings: readonly string[];
  /** A survey shows one line for each model. */
  readonly full: boolean;
};

/**
 * The plan of a profile on vLLM. Throws `usage.invalid` for flags that only llama.cpp has,
 * `usage.unknown-quant` for a format that vLLM has not or that nobody publishes of this model.
 */
export function planOnVllm(request: VllmPlanRequest): Candidate {
  const { loaded, resources, asked, full } = request;
  const { model } = loaded.source;
  const { wishes, variants } = vllmRequest(loaded, request.wishes);
  const { gpus } = resources;
  const choice = searchVllm(variants, gpus, wishes);
  const only =
    asked === 'auto' && !model.engines.includes('llama.cpp')
      ? [`llama.cpp has no projector for \`${model.id}\`: planned for vLLM instead`]
      : [];
  const failed = choice.verdict === 'no' && gpus.length > 0;
  return vllmCandidate({
    ...{ model, wishes, choice, gpus },
    alternatives: full ? alternativesOnVllm(variants, gpus, wishes, choice) : [],
    changes: full && failed ? changesOnVllm(variants, gpus, wishes, choice) : [],
    skipped: skippedText(choice, gpus.length, variants),
    elsewhere: model.engines.includes('llama.cpp')
      ? `mmdeploy plan ${model.id} --engine llama.cpp`
      : null,
    trustRemoteCode: needsRemoteCode(choice.variant.repository),
    warnings: [...request.warnings, ...only, ...contextWarning(choice)],
    scaleOut: failed && full ? proposal(loaded, variants, gpus, wishes, null) : null,
  });
}

/**
 * What a plan for llama.cpp outgrows into. Null where nothing is known to: vLLM does not run on such GPUs or
 * has not this model, or something was asked for that only llama.cpp has.
 */
export function scaleOutOf(
  loaded: LoadedModel,
  { gpus }: Resources,
  asked: Wishes,
  outgrown: string,
): ScaleOut | null {
  if (gpus.length === 0 || !loaded.source.model.engines.includes('vllm')) return null;
  try {
    const { wishes, variants } = vllmRequest(loaded, asked);
    return proposal(loaded, variants, gpus, wishes, outgrown);
  } catch (error) {
    if (error instanceof MmdeployError) return null;
    throw error;
  }
}

function proposal(
  loaded: LoadedModel,
  variants: readonly VllmVariant[],
  gpus: Resources['gpus'],
  wishes: Wishes,
  outgrown: string | null,
): ScaleOut | null {
  const found = scaleOut(variants, gpus, wishes);
  if (found === null) return null;
  const { model } = loaded.source;
  const trustRemoteCode = needsRemoteCode(found.choice.variant.repository);
  return scaleOutPlan({ found, model, wishes, gpus, trustRemoteCode, outgrown });
}

/** What was asked for in vLLM's terms, and the formats that keep to it, best first. Throws as `planOnVllm`. */
export function vllmRequest(
  loaded: LoadedModel,
  asked: Wishes,
): { readonly wishes: Wishes; readonly variants: readonly VllmVariant[] } {
  const { model } = loaded.source;
  const wishes = vllmWishes(asked, model);
  const variants = vllmVariants(loaded);
  requireFormat(wishes, variants, model);
  return { wishes, variants: variantsWithin(variants, wishes) };
}

/** The formats that vLLM can load a profile in. Throws `usage.invalid` for a model without a repository. */
function vllmVariants({ source, profile }: LoadedModel): readonly VllmVariant[] {
  const { model } = source;
  const { text } = model;
  const repository = profile?.repository ?? null;
  if (text === null || profile === null || repository === null) {
    throw new MmdeployError('usage.invalid', `\`${model.id}\` cannot be planned for vLLM`, {
      hints: ['vLLM plans need a profile: `mmdeploy models` lists them'],
    });
  }
  const whole = { ...model, text };
  const original = { repository, model: whole };
  const found: VllmVariant[] = [
    { ...original, format: 'BF16', scheme: 'bf16', quantization: null },
  ];
  for (const format of ['FP8', 'INT8', 'INT4'] as const) {
    const checkpoint = profile.checkpoints[format];
    if (checkpoint !== undefined) {
      const { scheme, quantization = null, feedForward } = checkpoint;
      const padded =
        feedForward === undefined ? whole : withFeedForward(profile, feedForward, whole);
      found.push({
        ...{ format, scheme, quantization, model: padded },
        repository: checkpoint.repository,
      });
    } else if (format === 'FP8') {
      // Converted as vLLM loads it: no other checkpoint is needed.
      found.push({ ...original, format, scheme: 'fp8', quantization: 'fp8' });
    }
  }
  return found;
}

type WholeModel = ModelDescription & { readonly text: TextModel };

function withFeedForward(profile: Profile, feedForward: number, model: WholeModel): WholeModel {
  const { text } = profile;
  if (text === undefined) return model;
  const described = describeProfile({ ...profile, text: { ...text, feedForward } });
  return described.text === null ? model : { ...model, text: described.text };
}

/** What was asked for, in vLLM's terms; flags that it has not are refused, not ignored. */
function vllmWishes(wishes: Wishes, { id }: ModelDescription): Wishes {
  for (const [flag, given, why] of llamaCppFlags(wishes)) {
    if (given) throw notOnVllm(id, `\`${flag}\` is llama.cpp's: ${why}`, flag);
  }
  const { encoderQuant, kvType } = wishes;
  if (encoderQuant !== null && encoderQuant !== 'BF16') {
    const why = `\`--encoder-quant ${encoderQuant}\`: vLLM loads the vision tower in BF16`;
    throw notOnVllm(id, why, '--encoder-quant');
  }
  const sixteen = kvType === 'f16' || kvType === 'bf16';
  if (kvType !== null && !sixteen && kvType !== 'fp8') {
    throw new MmdeployError('usage.unknown-quant', `\`--kv-type ${kvType}\` is llama.cpp's`, {
      hints: [`vLLM's cache is ${VLLM_KV_TYPES.join(' or ')}: \`--kv-type fp8\``],
    });
  }
  return { ...wishes, kvType: sixteen ? null : kvType };
}

function llamaCppFlags(wishes: Wishes): readonly (readonly [string, boolean, string])[] {
  const onGpus = 'vLLM keeps every layer on the GPUs';
  const oneCache = 'vLLM keeps blocks of one cache for all sequences';
  return [
    ['--gpu-layers', wishes.gpuLayers !== null, onGpus],
    ['--cpu-moe', wishes.cpuMoeLayers > 0, onGpus],
    ['--no-mmproj-offload', wishes.encoderOnCpu, onGpus],
    ['--ubatch', wishes.ubatch !== null, 'vLLM batches by itself'],
    ['--tensor-split', wishes.tensorSplit !== null, 'vLLM splits every layer evenly'],
    ['--kv-type-v', wishes.kvTypeV !== null, 'vLLM has one type for both'],
    ['--kv-unified', wishes.unifiedKv, oneCache],
    ['--swa-full', wishes.swaFull, oneCache],
    ['--flash-attn off', !wishes.flashAttention, 'vLLM chooses its own attention'],
  ];
}

function notOnVllm(id: string, message: string, flag: string): MmdeployError {
  return new MmdeployError('usage.invalid', message, {
    hints: [
      `leave \`${flag}\` out, or plan for llama.cpp: \`mmdeploy plan ${id} --engine llama.cpp\``,
    ],
  });
}

function requireFormat(
  { quant }: Wishes,
  variants: readonly VllmVariant[],
  { id, engines }: ModelDescription,
): void {
  if (quant === null || variants.some(({ format }) => format === quant)) return;
  const here = variants.map(({ format }) => format);
  if (VLLM_FORMATS.some((format) => format === quant)) {
    throw new MmdeployError(
      'usage.unknown-quant',
      `no ${quant} checkpoint of \`${id}\` is confirmed, and vLLM cannot make one as it loads`,
      { hints: [`\`mmdeploy plan ${id} --engine vllm --quant FP8\``, `it has ${here.join(', ')}`] },
    );
  }
  const near = nearest(quant, VLLM_FORMATS);
  throw new MmdeployError('usage.unknown-quant', `vLLM does not load \`${quant}\``, {
    hints: [
      `vLLM has ${(near.length > 0 ? near : here).join(', ')}: \`mmdeploy plan ${id} --engine vllm --quant ${here.at(-1) ?? 'BF16'}\``,
      ...(engines.includes('llama.cpp')
        ? [
            `GGUF formats are llama.cpp's: \`mmdeploy plan ${id} --engine llama.cpp --quant ${quant}\``,
          ]
        : []),
    ],
  });
}

/** What keeps a plan that does not fit from more GPUs, and from fewer bits. */
function skippedText(
  choice: VllmChoice,
  gpus: number,
  variants: readonly VllmVariant[],
): string | null {
  if (choice.verdict !== 'no') return null;
  const skipped = skippedGroups(choice, gpus).at(-1);
  if (skipped !== undefined) return skipped.why;
  return variants.some(({ format }) => format === 'INT4')
    ? null
    : 'no INT4 checkpoint of it is confirmed, so none is planned';
}

/** Repositories whose own code vLLM takes the configuration or the processor from. */
const OWN_CODE =
  /^(Qwen\/Qwen-VL|OpenGVLab\/InternVL|allenai\/Molmo-|microsoft\/Phi-4-multimodal|moonshotai\/Kimi-VL|openbmb\/MiniCPM-(V-4$|V-4_5|V-2_6|o-2_6))/;

function needsRemoteCode(repository: string): boolean {
  return OWN_CODE.test(repository);
}

function contextWarning({ contextPerSlot, variant }: VllmChoice): string[] {
  const most = variant.model.text.contextMax;
  if (contextPerSlot <= most) return [];
  return [
    `vLLM refuses ${contextPerSlot} tokens of context for a model that was trained for ${most}`,
  ];
}
