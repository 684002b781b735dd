import type { Point } from './evaluate.ts';
import { evaluateFormatted, pointOf } from './evaluate.ts';
import { isTooLarge } from './bound.ts';
import { QUANT_LADDER, QUANT_ORDER } from './formats.ts';
import { search } from './search.ts';
import type { Evaluated, ModelSource, Resources, Wishes } from './types.ts';
import { requiredContext, workloadImageTokens } from './workload.ts';

/** Another configuration that works, with what it has more and less of than the chosen one. */
export type Alternative = {
  readonly result: Evaluated;
  readonly gains: readonly string[];
  readonly givesUp: readonly string[];
};

/** Caps on the tokens of one image that are worth showing, largest first. */
const IMAGE_CAPS = [2048, 1024, 512, 256] as const;
const LEAST_CONTEXT = 2048;

/**
 * What else fits, each giving up something for something else: the next formats, twice and four times
 * the users at less context, smaller images for more users or more context.
 */
export function alternativesTo(
  source: ModelSource,
  resources: Resources,
  wishes: Wishes,
  chosen: Evaluated,
): Alternative[] {
  if (chosen.verdict === 'no') return [];
  const results = [
    ...otherQuants(source, resources, wishes, chosen),
    ...moreUsers(resources, wishes, chosen),
    ...smallerImages(resources, wishes, chosen),
  ];
  return results
    .filter(({ verdict, fault }) => verdict !== 'no' && fault === null)
    .map((result) => ({ result, ...compare(chosen, result) }))
    .filter(({ gains }) => gains.length > 0);
}

/** One step up and one step down the ladder, each with the best of everything else. */
function otherQuants(
  source: ModelSource,
  resources: Resources,
  wishes: Wishes,
  chosen: Evaluated,
): Evaluated[] {
  if (source.model.basis === 'gguf' || wishes.quant !== null) return [];
  const ladder: readonly string[] = ['F16', ...QUANT_LADDER];
  const place = ladder.indexOf(chosen.formats.quant);
  return [ladder[place - 1], ladder[place + 1]].flatMap((quant) =>
    quant === undefined ? [] : [search(source, resources, { ...wishes, quant })],
  );
}

/** Twice and four times the slots, each with the largest context that still fits. */
function moreUsers(resources: Resources, wishes: Wishes, chosen: Evaluated): Evaluated[] {
  if (wishes.slots !== null) return [];
  return [2, 4].flatMap((times) => {
    const slots = chosen.settings.slots * times;
    const least = leastContext(wishes, chosen);
    for (let tokens = chosen.settings.contextPerSlot; tokens >= least; tokens = tokens / 2) {
      const contextPerSlot = Math.floor(tokens);
      const point = { ...pointOf(chosen), slots, contextPerSlot };
      if (isTooLarge(chosen.model, resources, wishes, point)) continue;
      const result = evaluateFormatted(chosen.model, resources, wishes, point);
      if (result.verdict === chosen.verdict) return [result];
    }
    return [];
  });
}

/** A workload or a requirement that is held stays held. */
function leastContext(wishes: Wishes, { model }: Evaluated): number {
  const { workload, minimum, contextPerSlot } = wishes;
  const bound = workload !== null || minimum !== null;
  const required = bound && model.text !== null ? requiredContext(model, model.text, wishes) : 0;
  return Math.max(LEAST_CONTEXT, required, contextPerSlot ?? 0);
}

/**
 * Smaller images, for what they free: twice the users, twice the context, or else the room itself. Of each
 * the largest cap that does it, none below the images of the workload.
 */
function smallerImages(resources: Resources, wishes: Wishes, chosen: Evaluated): Evaluated[] {
  const { model, settings } = chosen;
  if (wishes.imageMaxTokens !== null || model.encoder === null || model.text === null) return [];
  const least = workloadImageTokens(model, wishes);
  const most = settings.imageMaxTokens ?? Infinity;
  const at = (imageMaxTokens: number | null, change: Partial<Point>): Evaluated => {
    const point = { ...pointOf(chosen), ...change };
    return evaluateFormatted(model, resources, { ...wishes, imageMaxTokens }, point);
  };
  const holds = ({ verdict, fault }: Evaluated) =>
    fault === null && COMFORT.indexOf(verdict) >= COMFORT.indexOf(chosen.verdict);
  const firstCap = (change: Partial<Point>, better: (result: Evaluated) => boolean) => {
    const caps = IMAGE_CAPS.filter((cap) => cap >= least && cap < most);
    return caps.map((cap) => at(cap, change)).find(better);
  };
  const changes = [
    ...(wishes.slots === null ? [{ slots: settings.slots * 2 }] : []),
    ...(wishes.contextPerSlot === null && settings.contextPerSlot * 2 <= model.text.contextMax
      ? [{ contextPerSlot: settings.contextPerSlot * 2 }]
      : []),
  ];
  const used = changes.flatMap((change) =>
    // What holds without a smaller image needs no smaller image.
    holds(at(null, change)) ? [] : (firstCap(change, holds) ?? []),
  );
  const room = ({ roomBytes }: Evaluated) => roomBytes > chosen.roomBytes;
  return used.length > 0 ? used : [firstCap({}, room) ?? []].flat();
}

/** What `other` has more of and less of than `chosen`, in words. */
function compare(chosen: Evaluated, other: Evaluated) {
  const gains: string[] = [];
  const givesUp: string[] = [];
  const note = (better: boolean, text: string) => (better ? gains : givesUp).push(text);
  const [before, after] = [chosen.settings, other.settings];
  if (other.formats.quant !== chosen.formats.quant) {
    const better =
      QUANT_ORDER.indexOf(other.formats.quant) < QUANT_ORDER.indexOf(chosen.formats.quant);
    note(better, better ? 'quality' : 'some quality');
  }
  if (after.contextPerSlot !== before.contextPerSlot) {
    note(
      after.contextPerSlot > before.contextPerSlot,
      `context ${times(after.contextPerSlot, before.contextPerSlot)}`,
    );
  }
  if (after.slots !== before.slots) {
    note(after.slots > before.slots, `users ${times(after.slots, before.slots)}`);
  }
  if (after.imageMaxTokens !== before.imageMaxTokens) {
    const smaller = (after.imageMaxTokens ?? Infinity) < (before.imageMaxTokens ?? Infinity);
    note(!smaller, smaller ? `images above ${after.imageMaxTokens ?? 0} tokens` : 'larger images');
  }
  if (after.gpuLayers !== before.gpuLayers) {
    const layers = Math.abs(after.gpuLayers - before.gpuLayers);
    note(
      after.gpuLayers > before.gpuLayers,
      `${layers} layer${layers === 1 ? '' : 's'} on the GPU`,
    );
  }
  if (other.verdict !== chosen.verdict) {
    note(COMFORT.indexOf(other.verdict) > COMFORT.indexOf(chosen.verdict), 'comfort');
  }
  if (gains.length === 0 && other.roomBytes > chosen.roomBytes) gains.push('room');
  if (givesUp.length === 0 && other.roomBytes < chosen.roomBytes) givesUp.push('room');
  return { gains, givesUp };
}

const COMFORT = ['no', 'offload', 'tight', 'fits'] as const;

/** `x4`, `x0.5`. */
function times(after: number, before: number): string {
  return `x${Number((after / before).toFixed(2))}`;
}
