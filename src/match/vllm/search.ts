import type { DeviceInput } from '../../memory/types.ts';
import type { VllmFormat } from '../../memory/vllm/formats.ts';
import { MmdeployError } from '../../errors.ts';
import { QUANT_ORDER } from '../formats.ts';
import type { Wishes } from '../types.ts';
import { usableBytes } from '../verdict.ts';
import { requiredContext, requiredSlots } from '../workload.ts';
import { computesFp8 } from './capability.ts';
import { evaluateVllm } from './evaluate.ts';
import { parallelFault } from './tensor-parallel.ts';
import type { VllmChoice, VllmPoint, VllmVariant } from './types.ts';

/** Most sequences that the search gives on its own. */
const MAX_SLOTS = 8;
/** GPUs of one machine that a tensor-parallel group is made of. */
const MAX_RANKS = 8;

/**
 * The best configuration that keeps the wishes: the workload and what is required first, then the format
 * (8 bits where the GPUs compute them, then BF16, then fewer bits), then the fewest GPUs, then context,
 * then slots. Always returns something: its verdict is `no` when nothing fits.
 */
export function searchVllm(
  variants: readonly VllmVariant[],
  gpus: readonly DeviceInput[],
  wishes: Wishes,
): VllmChoice {
  const ordered = byPreference(variantsWithin(variants, wishes), gpus);
  const groups = groupsOf(gpus);
  const tried: VllmChoice[] = [];
  let tight: VllmChoice | null = null;
  for (const variant of ordered) {
    for (const group of groups) {
      const found = evaluateVllm(startPoint(variant, group, wishes), wishes);
      if (found.verdict === 'fits') return grow(found, wishes);
      if (found.verdict === 'tight') tight ??= found;
      tried.push(found);
    }
  }
  return tight ?? nearest(tried);
}

/** The workload's own point in one format on these very GPUs. */
export function startPoint(
  variant: VllmVariant,
  gpus: readonly DeviceInput[],
  wishes: Wishes,
): VllmPoint {
  const { model } = variant;
  return {
    ...{ variant, gpus },
    contextPerSlot: wishes.contextPerSlot ?? requiredContext(model, model.text, wishes, 'vllm'),
    slots: requiredSlots(wishes),
  };
}

/** The format that was asked for, or all that are no less than what is required. */
export function variantsWithin(
  variants: readonly VllmVariant[],
  { quant, minimum }: Wishes,
): readonly VllmVariant[] {
  const least = minimum?.quant ?? null;
  const enough = variants.filter(({ format }) =>
    quant === null
      ? least === null || QUANT_ORDER.indexOf(format) <= QUANT_ORDER.indexOf(least)
      : format === quant,
  );
  // BF16 comes first: what is required beyond it is not met by pretending.
  return enough.length > 0 ? enough : variants.slice(0, 1);
}

export function byPreference(
  variants: readonly VllmVariant[],
  gpus: readonly DeviceInput[],
): readonly VllmVariant[] {
  const order: readonly VllmFormat[] = computesFp8(gpus)
    ? ['FP8', 'INT8', 'BF16', 'INT4']
    : ['INT8', 'BF16', 'FP8', 'INT4'];
  return [...variants].sort((a, b) => order.indexOf(a.format) - order.indexOf(b.format));
}

/** One GPU, two …: of unequal cards the largest, all of one runtime. */
function groupsOf(gpus: readonly DeviceInput[]): readonly (readonly DeviceInput[])[] {
  const size = (gpu: DeviceInput): number => usableBytes(gpu) ?? 0;
  const sorted = [...gpus].sort((a, b) => size(b) - size(a));
  const alike = sorted.filter(({ backend }) => backend === sorted[0]?.backend);
  const most = Math.min(alike.length, MAX_RANKS);
  if (most === 0) return [[]];
  return Array.from({ length: most }, (_, index) => {
    const group = new Set(alike.slice(0, index + 1));
    // In the machine's order: vLLM numbers its ranks so.
    return gpus.filter((gpu) => group.has(gpu));
  });
}

/** Uses what is left: the largest context, then more slots, as long as the fit stays comfortable. */
function grow(base: VllmChoice, wishes: Wishes): VllmChoice {
  const { text } = base.variant.model;
  let current = base;
  const take = (changes: readonly Partial<VllmPoint>[]): void => {
    for (const change of changes) {
      const next = evaluateVllm({ ...pointOf(current), ...change }, wishes);
      if (next.verdict !== 'fits') continue;
      current = next;
      return;
    }
  };
  if (wishes.contextPerSlot === null) take(contextsAbove(base.contextPerSlot, text.contextMax));
  if (wishes.slots === null && wishes.workload === null) {
    const more = Math.max(0, MAX_SLOTS - base.slots);
    take(Array.from({ length: more }, (_, index) => ({ slots: MAX_SLOTS - index })));
  }
  return current;
}

/** Doublings of a context up to what the model was trained for, largest first. */
function contextsAbove(tokens: number, most: number): { readonly contextPerSlot: number }[] {
  const found: { readonly contextPerSlot: number }[] = [];
  for (let next = tokens; next < most;) {
    next = Math.min(next * 2, most);
    found.unshift({ contextPerSlot: next });
  }
  return found;
}

export function pointOf({ variant, gpus, contextPerSlot, slots, stages }: VllmChoice): VllmPoint {
  const point = { variant, gpus, contextPerSlot, slots };
  return stages === undefined ? point : { ...point, stages };
}

/** Of what does not fit, that which is short of least; what cannot start at all says why. */
function nearest(tried: readonly VllmChoice[]): VllmChoice {
  const [first, ...rest] = tried;
  if (first === undefined) throw new MmdeployError('plan.invalid', 'no weight format to plan with');
  const better = (a: VllmChoice, b: VllmChoice): VllmChoice => {
    if ((a.fault === null) !== (b.fault === null)) return a.fault === null ? a : b;
    return b.roomBytes > a.roomBytes ? b : a;
  };
  return rest.reduce(better, first);
}

/** Numbers of GPUs up to `most` that the model cannot be split over, with the reason of each. */
export function skippedGroups(choice: VllmChoice, most: number): { ranks: number; why: string }[] {
  const { text } = choice.variant.model;
  return Array.from({ length: Math.min(most, MAX_RANKS) }, (_, index) => index + 1).flatMap(
    (ranks) => {
      const why = parallelFault(text, choice.variant.scheme, ranks);
      return why === null ? [] : [{ ranks, why }];
    },
  );
}
