import type { DeviceInput } from '../../memory/types.ts';
import { QUANT_ORDER } from '../formats.ts';
import type { Wishes } from '../types.ts';
import { computesFp8 } from './capability.ts';
import { evaluateVllm } from './evaluate.ts';
import { pointOf, searchVllm, startPoint } from './search.ts';
import type { VllmChoice, VllmPoint, VllmVariant } from './types.ts';

/** Another configuration that starts, with what it has more and less of than the chosen one. */
export type VllmAlternative = {
  readonly result: VllmChoice;
  readonly gains: readonly string[];
  readonly givesUp: readonly string[];
};

/** A single change of the flags that makes the model fit, as flags one can paste. */
export type VllmChange = { readonly flags: string; readonly result: VllmChoice };

/** The other formats, twice and four times the users at less context, and a cache of half the size. */
export function alternativesOnVllm(
  variants: readonly VllmVariant[],
  gpus: readonly DeviceInput[],
  wishes: Wishes,
  chosen: VllmChoice,
): VllmAlternative[] {
  if (chosen.verdict === 'no') return [];
  const formats = wishes.quant === null ? otherFormats(variants, gpus, wishes, chosen) : [];
  return [...formats, ...moreUsers(wishes, chosen), ...smallerCache(wishes, chosen)]
    .filter(({ verdict }) => verdict !== 'no')
    .map((result) => ({ result, ...compare(chosen, result) }))
    .filter(({ gains }) => gains.length > 0);
}

function otherFormats(
  variants: readonly VllmVariant[],
  gpus: readonly DeviceInput[],
  wishes: Wishes,
  chosen: VllmChoice,
): VllmChoice[] {
  return variants
    .filter(({ format }) => format !== chosen.variant.format)
    .map(({ format }) => searchVllm(variants, gpus, { ...wishes, quant: format }));
}

const LEAST_CONTEXT = 2048;

function moreUsers(wishes: Wishes, chosen: VllmChoice): VllmChoice[] {
  if (wishes.slots !== null) return [];
  const bound = wishes.workload !== null || wishes.minimum !== null;
  const start = startPoint(chosen.variant, chosen.gpus, wishes).contextPerSlot;
  const least = Math.max(LEAST_CONTEXT, bound ? start : 0, wishes.contextPerSlot ?? 0);
  return [2, 4].flatMap((times) => {
    const slots = chosen.slots * times;
    for (let tokens = chosen.contextPerSlot; tokens >= least; tokens /= 2) {
      const point = { ...pointOf(chosen), slots, contextPerSlot: Math.floor(tokens) };
      const result = evaluateVllm(point, wishes);
      if (result.verdict === chosen.verdict) return [result];
    }
    return [];
  });
}

function smallerCache(wishes: Wishes, chosen: VllmChoice): VllmChoice[] {
  if (wishes.kvType !== null) return [];
  return [evaluateVllm(pointOf(chosen), { ...wishes, kvType: 'fp8' })];
}

function compare(chosen: VllmChoice, other: VllmChoice) {
  const gains: string[] = [];
  const givesUp: string[] = [];
  const note = (better: boolean, text: string) => (better ? gains : givesUp).push(text);
  const rank = ({ variant }: VllmChoice) => QUANT_ORDER.indexOf(variant.format);
  if (rank(other) !== rank(chosen)) {
    const better = rank(other) < rank(chosen);
    note(better, better ? 'quality' : 'some quality');
  }
  for (const [name, after, before] of [
    ['context', other.contextPerSlot, chosen.contextPerSlot],
    ['users', other.slots, chosen.slots],
  ] as const) {
    if (after !== before) note(after > before, `${name} x${Number((after / before).toFixed(2))}`);
  }
  if (other.gpus.length !== chosen.gpus.length) {
    const fewer = other.gpus.length < chosen.gpus.length;
    note(fewer, `${other.gpus.length} GPU${other.gpus.length === 1 ? '' : 's'}`);
  }
  // INT8 computes in INT8 where weight-only FP8 is unpacked each time.
  const unpacked = other.variant.format === 'FP8' && !computesFp8(other.gpus);
  if (unpacked && chosen.variant.format === 'INT8') givesUp.push('speed');
  if (other.kvType !== chosen.kvType) givesUp.push('cache precision');
  if (other.verdict !== chosen.verdict) note(other.verdict === 'fits', 'comfort');
  if (gains.length === 0 && other.roomBytes > chosen.roomBytes) gains.push('room');
  if (givesUp.length === 0 && other.roomBytes < chosen.roomBytes) givesUp.push('room');
  return { gains, givesUp };
}

const MOST_CHANGES = 3;

/**
 * Changes under which a configuration that does not fit does, smallest loss first; of each kind (fewer
 * slots, less context …) only the first that works.
 */
export function changesOnVllm(
  variants: readonly VllmVariant[],
  gpus: readonly DeviceInput[],
  wishes: Wishes,
  failed: VllmChoice,
): VllmChange[] {
  const again = (flags: string, change: Partial<Wishes>): VllmChange => ({
    flags,
    result: searchVllm(variants, gpus, { ...wishes, ...change }),
  });
  const at = (flags: string, change: Partial<VllmPoint>): VllmChange => ({
    flags,
    result: evaluateVllm({ ...pointOf(failed), ...change }, wishes),
  });
  const least = wishes.minimum;
  const slots = [Math.ceil(failed.slots / 2), 1]
    .filter((count) => count < failed.slots && count >= (least?.slots ?? 1))
    .map((count) => () => at(`--slots ${count}`, { slots: count }));
  const contexts = halves(failed.contextPerSlot, least?.contextPerSlot ?? 0).map(
    (tokens) => () => at(`--context ${tokens}`, { contextPerSlot: tokens }),
  );
  const place = QUANT_ORDER.indexOf(failed.variant.format);
  const formats = variants
    .filter(({ format }) => QUANT_ORDER.indexOf(format) > place)
    .map(
      ({ format }) =>
        () =>
          again(`--quant ${format}`, { quant: format }),
    );
  const cache = wishes.kvType === null ? [() => again('--kv-type fp8', { kvType: 'fp8' })] : [];
  return [slots, contexts, cache, formats]
    .flatMap((kind) => {
      for (const make of kind) {
        const change = make();
        if (change.result.verdict !== 'no') return [change];
      }
      return [];
    })
    .slice(0, MOST_CHANGES);
}

function halves(tokens: number, least: number): number[] {
  const found: number[] = [];
  for (let next = tokens / 2; next >= Math.max(LEAST_CONTEXT, least); next /= 2) {
    found.push(Math.floor(next));
  }
  return found;
}
