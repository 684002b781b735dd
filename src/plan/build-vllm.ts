import type { ModelDescription } from '../contracts/model.ts';
import type { Candidate } from '../contracts/plan.ts';
import { vllmArgs } from '../engines/vllm.ts';
import type { Wishes } from '../match/types.ts';
import type { VllmChoice } from '../match/vllm.ts';
import { mediaSentences } from '../match/media.ts';
import { GPU_MEMORY_UTILIZATION } from '../match/vllm.ts';
import { modelSummary } from './build.ts';
import { gib } from './wording.ts';

export type VllmPlanInput = {
  readonly model: ModelDescription;
  readonly choice: VllmChoice;
  readonly wishes: Wishes;
  /** Hub repository of the original weights, which vLLM loads itself. */
  readonly repository: string;
  readonly trustRemoteCode: boolean;
  readonly warnings: readonly string[];
};

/** The plan of a model on vLLM: in BF16, on one GPU. */
export function vllmCandidate(input: VllmPlanInput): Candidate {
  const { model, choice, repository } = input;
  return {
    model: modelSummary(model),
    files: {
      model: { path: null, source: `hf:${repository}`, bytes: null, sha256: null },
      mmproj: null,
    },
    settings: {
      quant: 'BF16',
      encoderQuant: model.encoder === null ? null : 'BF16',
      contextPerSlot: choice.contextPerSlot,
      slots: choice.slots,
      ctxSize: choice.contextPerSlot * choice.slots,
      kvType: 'bf16',
      ubatch: 2048,
      gpuLayers: model.text?.layers ?? 0,
      imageMaxTokens: null,
    },
    memory: { devices: choice.device === null ? [] : [choice.device] },
    verdict: choice.verdict,
    reasons: [reason(choice), ...mediaSentences(model, 'vllm', input.wishes)],
    warnings: [...input.warnings],
    engine: {
      name: 'vllm',
      minVersion: null,
      args: vllmArgs({
        ...{ model: repository, host: '127.0.0.1', port: 8080 },
        contextPerSlot: choice.contextPerSlot,
        slots: choice.slots,
        gpuMemoryUtilization: GPU_MEMORY_UTILIZATION,
        imagesPerPrompt: Math.max(1, input.wishes.workload?.images?.count ?? 1),
        trustRemoteCode: input.trustRemoteCode,
      }),
    },
    alternatives: [],
  };
}

function reason({ device, usableBytes, verdict }: VllmChoice): string {
  if (device === null) return 'vLLM needs a GPU, and this machine has none';
  const share = `the ${gib(usableBytes)} that vLLM may use of ${device.id} (${device.name})`;
  return verdict === 'fits'
    ? `needs ${gib(device.peakBytes)} of ${share}; the rest becomes KV cache as well`
    : `needs ${gib(device.peakBytes)}, more than ${share}`;
}
