import { vllmMemory } from '../../memory/vllm/device.ts';
import type { VllmKvType } from '../../memory/vllm/kv-cache.ts';
import { BATCHED_TOKENS } from '../../memory/vllm/settings.ts';
import type { Wishes } from '../types.ts';
import { isComfortable } from '../verdict.ts';
import { capabilityOf } from './capability.ts';
import { vllmImages } from './images.ts';
import { bytesOfShare, memoryShare } from './memory-share.ts';
import type { EncoderPlacement } from './tensor-parallel.ts';
import { encoderPlacements, parallelFault } from './tensor-parallel.ts';
import type { VllmChoice, VllmPoint } from './types.ts';

/**
 * Lays the model out on these GPUs and judges it. What would not start has the verdict `no`, whatever
 * its memory; `tight` leaves less of a card than `fits` asks for.
 */
export function evaluateVllm(point: VllmPoint, wishes: Wishes): VllmChoice {
  const { encoder } = point.variant.model;
  const [first, ...others] = encoderPlacements(encoder, Math.max(1, point.gpus.length));
  return others.reduce(
    (best, tower) => {
      if (best.verdict === 'fits') return best;
      const other = evaluateTower(point, wishes, tower);
      return VERDICTS.indexOf(other.verdict) < VERDICTS.indexOf(best.verdict) ? other : best;
    },
    evaluateTower(point, wishes, first),
  );
}

const VERDICTS: readonly VllmChoice['verdict'][] = ['fits', 'tight', 'no'];

function evaluateTower(point: VllmPoint, wishes: Wishes, tower: EncoderPlacement): VllmChoice {
  const { variant, gpus, contextPerSlot, slots, stages = 1 } = point;
  const { text } = variant.model;
  const kvType: VllmKvType = wishes.kvType === 'fp8' ? 'fp8' : 'bf16';
  const ranks = Math.max(1, gpus.length);
  const capability = capabilityOf(gpus, variant.format, text.arch, kvType);
  const images = vllmImages(variant.model, wishes, contextPerSlot);
  const settings = {
    ...{ scheme: variant.scheme, contextPerSlot, slots, kvType, ranks, stages },
    batchedTokens: Math.max(BATCHED_TOKENS, slots),
    encoderSplit: tower.split,
    // vLLM reserves for a video as long as the context.
    largestImage: Math.max(images.largest, wishes.workload?.video == null ? 0 : contextPerSlot),
  };
  const devices = gpus.map((gpu) => vllmMemory(variant.model, text, settings, gpu));
  const needed = Math.max(0, ...devices.map(({ peakBytes }) => peakBytes));
  const { share, limitedBy, raised } = memoryShare(gpus, needed);
  const usable = gpus.map((gpu) => bytesOfShare(gpu, share));
  const rooms = devices.map(({ peakBytes }, index) => (usable[index] ?? 0) - peakBytes);
  const roomBytes = Math.min(...rooms);
  const fault =
    capability.fault ?? parallelFault(text, variant.scheme, ranks) ?? tower.fault ?? images.fault;
  const holds = fault === null && gpus.length > 0 && roomBytes >= 0;
  return {
    ...point,
    ...{ kvType, devices, roomBytes, fault },
    batchedTokens: settings.batchedTokens,
    memoryShare: share,
    usableBytes: gpus.length === 0 ? 0 : Math.min(...usable),
    // The kernels that `--quantization awq` names compute in FP16 only.
    half: capability.half || variant.quantization === 'awq',
    encoderWhole: tower.whole,
    imagesPerPrompt: images.perPrompt,
    imageSize: images.size,
    imageMaxTokens: images.imageMaxTokens,
    processorKwargs: images.processorKwargs,
    verdict: !holds ? 'no' : isComfortable(devices) && !raised ? 'fits' : 'tight',
    notes: [
      ...capability.notes,
      ...(limitedBy === null || raised ? [] : [shareNote(share, limitedBy)]),
      ...(raised
        ? [`\`--gpu-memory-utilization ${share}\`: it does not fit under vLLM's own 0.9`]
        : []),
      ...(tower.note === null ? [] : [tower.note]),
      ...images.notes,
      ...(variant.quantization === 'fp8' ? [CONVERTED] : []),
    ],
  };
}

/** https://github.com/vllm-project/vllm/pull/31914, merged in January 2026. */
const CONVERTED =
  'converted from BF16 as vLLM loads it: versions before 2026 need room for all of BF16 first';

function shareNote(share: number, { id, freeBytes, capacityBytes }: VllmPoint['gpus'][number]) {
  const free = Math.floor(((freeBytes ?? 0) / (capacityBytes ?? 1)) * 100);
  return `only ${free} % of ${id} is free: \`--gpu-memory-utilization ${share}\`, or vLLM refuses to start`;
}
