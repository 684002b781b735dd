import type { ModelDescription } from '../contracts/model.ts';
import { isTooLarge } from './bound.ts';
import { evaluateFormatted, pointOf } from './evaluate.ts';
import { ENCODER_LADDER, QUANT_ORDER } from './formats.ts';
import { cappedToFit } from './image-cap.ts';
import { quantsFrom, search } from './search.ts';
import type { Evaluated, Minimum, ModelSource, Resources, Wishes } from './types.ts';

/** A single change of the wishes that makes the model fit, as flags one can paste. */
export type Change = { readonly flags: string; readonly result: Evaluated };

/**
 * Changes that make a configuration which does not fit fit, or bring one that is shared with the CPU
 * wholly onto the GPUs, smallest loss first. Of each kind (fewer
 * slots, less context, a smaller quant …) only the first that works is kept; at most `limit` in all,
 * and `--gpu-layers auto` where a number of layers was asked for.
 */
export function mendingChanges(
  source: ModelSource,
  resources: Resources,
  wishes: Wishes,
  failed: Evaluated,
  limit = 3,
): Change[] {
  const changes = kindsOfChange(source.model, failed, wishes.minimum)
    .flatMap((kind) => {
      for (const { flags, change } of kind) {
        const result = attempt(source, resources, { ...wishes, ...change }, failed);
        if (result !== null && rank(result) > rank(failed)) return [{ flags, result }];
      }
      return [];
    })
    .slice(0, limit);
  return [
    ...smallerCap(source, resources, wishes, failed),
    ...changes,
    ...automaticLayers(source, resources, wishes, failed),
  ];
}

/** Where a number of layers was asked for: what the plan's own choice of them would come to. */
function automaticLayers(
  source: ModelSource,
  resources: Resources,
  wishes: Wishes,
  failed: Evaluated,
): Change[] {
  if (wishes.gpuLayers === null) return [];
  const result = search(source, resources, { ...wishes, gpuLayers: null });
  return rank(result) > rank(failed) ? [{ flags: '--gpu-layers auto', result }] : [];
}

const ORDER = ['no', 'offload', 'tight', 'fits'] as const;
const rank = ({ verdict }: Evaluated): number => ORDER.indexOf(verdict);

function attempt(
  source: ModelSource,
  resources: Resources,
  changed: Wishes,
  failed: Evaluated,
): Evaluated | null {
  const before = pointOf(failed);
  const point = {
    ...before,
    gpuLayers: wholeLayers(source.model, resources),
    encoderGpu:
      resources.gpus.length > 0 && source.model.encoder !== null && !changed.encoderOnCpu
        ? 0
        : null,
    formats: {
      quant: changed.quant ?? before.formats.quant,
      encoderQuant: changed.encoderQuant ?? before.formats.encoderQuant,
    },
    contextPerSlot: changed.contextPerSlot ?? before.contextPerSlot,
    slots: changed.slots ?? before.slots,
  };
  const model = source.inFormats(point.formats);
  if (isTooLarge(model, resources, changed, point)) return null;
  const result = evaluateFormatted(model, resources, changed, point);
  return result.verdict === 'no' ? (cappedToFit(result, resources, changed) ?? result) : result;
}

/** Where an image cap was asked for that does not fit: the largest that does. */
function smallerCap(
  source: ModelSource,
  resources: Resources,
  wishes: Wishes,
  failed: Evaluated,
): Change[] {
  if (wishes.imageMaxTokens === null) return [];
  const open = { ...wishes, imageMaxTokens: null };
  const asked = attempt(source, resources, wishes, failed);
  const result = asked?.verdict === 'no' ? cappedToFit(asked, resources, open) : null;
  if (result === null) return [];
  return [{ flags: `--image-max-tokens ${result.imageCap ?? 0}`, result }];
}

function wholeLayers(model: ModelDescription, { gpus }: Resources): number {
  return gpus.length === 0 || model.text === null ? 0 : model.text.layers + 1;
}

type Attempt = { readonly flags: string; readonly change: Partial<Wishes> };

function kindsOfChange(
  model: ModelDescription,
  { settings, formats }: Evaluated,
  minimum: Minimum | null,
): Attempt[][] {
  const slots = [Math.ceil(settings.slots / 2), 1]
    .filter((count) => count < settings.slots && count >= (minimum?.slots ?? 1))
    .map((count) => ({ flags: `--slots ${count}`, change: { slots: count } }));
  const contexts: Attempt[] = [];
  const leastContext = Math.max(MIN_CONTEXT, minimum?.contextPerSlot ?? 0);
  for (let tokens = settings.contextPerSlot / 2; tokens >= leastContext; tokens /= 2) {
    const contextPerSlot = Math.floor(tokens);
    contexts.push({ flags: `--context ${contextPerSlot}`, change: { contextPerSlot } });
  }
  const kv: Attempt[] =
    settings.kvType === 'f16' && settings.flashAttention
      ? [{ flags: '--kv-type q8_0', change: { kvType: 'q8_0' } }]
      : [];
  return [
    slots,
    contexts,
    kv,
    ...(model.basis === 'profile' ? formatChanges(formats, minimum) : []),
  ];
}

function formatChanges(formats: Evaluated['formats'], minimum: Minimum | null): Attempt[][] {
  const place = QUANT_ORDER.indexOf(formats.quant);
  const lower = quantsFrom(minimum?.quant ?? null).filter((q) => QUANT_ORDER.indexOf(q) > place);
  const quants = lower.map((quant) => ({
    flags: `--quant ${quant}`,
    change: { quant },
  }));
  const encoder =
    formats.encoderQuant === ENCODER_LADDER[0]
      ? [{ flags: '--encoder-quant Q8_0', change: { encoderQuant: 'Q8_0' } }]
      : [];
  return [quants, encoder];
}

/** Below this a chat with an image is of no use: an image alone is up to thousands of tokens. */
const MIN_CONTEXT = 2048;
