import type { ModelDescription } from '../contracts/model.ts';
import type { Candidate, ScaleOut } from '../contracts/plan.ts';
import { vllmArgs, type VllmInput } from '../engines/vllm.ts';
import { mediaSentences } from '../match/media.ts';
import type { Wishes } from '../match/types.ts';
import type { VllmChoice } from '../match/vllm/types.ts';
import type { VllmAlternative } from '../match/vllm/alternatives.ts';
import { sum } from '../units.ts';
import { modelSummary } from './build.ts';
import type { VllmReasonsInput } from './reasons-vllm.ts';
import { vllmReasons } from './reasons-vllm.ts';

export type VllmPlanInput = VllmReasonsInput & {
  readonly model: ModelDescription;
  readonly wishes: Wishes;
  readonly alternatives: readonly VllmAlternative[];
  readonly trustRemoteCode: boolean;
  readonly warnings: readonly string[];
  readonly scaleOut: ScaleOut | null;
};

/** The plan of a model on vLLM: plain data. */
export function vllmCandidate(input: VllmPlanInput): Candidate {
  const { model, choice } = input;
  const { variant, contextPerSlot, slots } = choice;
  return {
    model: modelSummary(model),
    files: {
      model: { path: null, source: `hf:${variant.repository}`, bytes: null, sha256: null },
      mmproj: null,
    },
    settings: {
      quant: variant.format,
      encoderQuant: model.encoder === null ? null : 'BF16',
      contextPerSlot,
      slots,
      ctxSize: contextPerSlot * slots,
      kvType: choice.half && choice.kvType === 'bf16' ? 'f16' : choice.kvType,
      ubatch: choice.batchedTokens,
      gpuLayers: variant.model.text.layers,
      imageMaxTokens: choice.imageMaxTokens,
      tensorParallelSize: Math.max(1, choice.gpus.length),
      ...(choice.stages === undefined ? {} : { pipelineParallelSize: choice.stages }),
    },
    memory: { devices: [...choice.devices] },
    verdict: choice.verdict,
    reasons: [...vllmReasons(input), ...mediaSentences(model, 'vllm', input.wishes)],
    warnings: [...input.warnings],
    engine: { name: 'vllm', minVersion: null, args: argsOf(input) },
    alternatives: input.alternatives.map(alternative),
    ...(input.scaleOut === null ? {} : { scaleOut: input.scaleOut }),
  };
}

function argsOf({ model, choice, wishes, trustRemoteCode }: VllmPlanInput): string[] {
  return vllmArgs({
    ...{ model: choice.variant.repository, host: '127.0.0.1', port: 8080, trustRemoteCode },
    contextPerSlot: choice.contextPerSlot,
    slots: choice.slots,
    batchedTokens: choice.batchedTokens,
    gpuMemoryUtilization: choice.memoryShare,
    gpus: choice.gpus.length,
    stages: choice.stages ?? 1,
    quantization: choice.variant.quantization,
    kvType: choice.kvType,
    half: choice.half,
    encoderWhole: choice.encoderWhole,
    itemsPerPrompt: itemsOf(model, choice, wishes),
    processorKwargs: choice.processorKwargs,
  });
}

/** What the workload has, an image or a clip where it names none, and nothing else. */
function itemsOf(
  { modalities }: ModelDescription,
  { imagesPerPrompt: images, imageSize }: VllmChoice,
  { workload }: Wishes,
): VllmInput['itemsPerPrompt'] {
  const items: Record<string, VllmInput['itemsPerPrompt'][string]> = {};
  for (const modality of modalities) {
    const count = images ?? 0;
    if (modality === 'image') {
      items[modality] = imageSize === null ? count : { count, ...imageSize };
    }
    if (modality === 'audio') items[modality] = workload?.audio?.count ?? (images === null ? 1 : 0);
    if (modality === 'video') items[modality] = workload?.video?.count ?? 0;
  }
  return items;
}

function alternative({
  result,
  gains,
  givesUp,
}: VllmAlternative): Candidate['alternatives'][number] {
  return {
    quant: result.variant.format,
    contextPerSlot: result.contextPerSlot,
    slots: result.slots,
    imageMaxTokens: result.imageMaxTokens,
    peakBytes: sum(result.devices.map(({ peakBytes }) => peakBytes)),
    verdict: result.verdict,
    gains: [...gains],
    givesUp: [...givesUp],
  };
}
