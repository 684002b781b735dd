import type { ModelDescription, TextModel } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import type { Point } from './evaluate.ts';
import { evaluate, evaluateFormatted } from './evaluate.ts';
import { ENCODER_LADDER, QUANT_LADDER, QUANT_ORDER } from './formats.ts';
import type { Evaluated, Formats, ModelSource, Resources, Wishes } from './types.ts';
import { isComfortable } from './verdict.ts';
import { requiredContext, requiredSlots } from './workload.ts';

/** Most slots that the search gives on its own: beyond, llama.cpp's decoding gains little. */
const MAX_SLOTS = 8;

/** Below this format quality falls off: a tight fit of it comes before a comfortable one of less. */
const LOWEST_GOOD = 'Q4_K_M';

/**
 * The best configuration that keeps the wishes: the workload and what is required first, then the
 * highest quant, then context, then slots. A comfortable fit beats a tight one of a higher quant, but
 * not one of Q4_K_M or better against one below; when no GPU holds the model, as many layers as fit go
 * there and the rest to the CPU. Always returns something: its verdict is `no` when nothing fits.
 */
export function search(source: ModelSource, resources: Resources, wishes: Wishes): Evaluated {
  const { model } = source;
  const text = textOf(model);
  const formats = formatsToTry(model, wishes);
  const start = startPoint(model, text, resources, wishes);
  if (resources.gpus.length > 0 && start.gpuLayers > text.layers) {
    const seen: Evaluated[] = [];
    for (const tier of tiers(formats)) {
      let tight: Evaluated | null = null;
      for (const each of tier) {
        const whole = evaluate(source, resources, wishes, { ...start, formats: each });
        if (whole.fault !== null) return whole;
        if (whole.verdict === 'fits') return grow(whole, text, resources, wishes);
        if (whole.verdict === 'tight') tight ??= whole;
        seen.push(whole);
      }
      if (tight !== null) return tight;
    }
    if (wishes.gpuLayers !== null) return best(seen);
  }
  const shared: Evaluated[] = [];
  for (const each of formats) {
    const found = offload(source, text, resources, wishes, { ...start, formats: each });
    if (found.verdict === 'offload' && isComfortable(found.devices)) return found;
    shared.push(found);
  }
  const offloaded = shared.filter(({ verdict }) => verdict === 'offload');
  return best(offloaded.length > 0 ? offloaded : shared);
}

/** Formats of good quality, then the rest; formats that are not on the ladder are what was asked for. */
function tiers(formats: readonly Formats[]): readonly (readonly Formats[])[] {
  const floor = QUANT_ORDER.indexOf(LOWEST_GOOD);
  const isGood = ({ quant }: Formats) => QUANT_ORDER.indexOf(quant) <= floor;
  return [formats.filter(isGood), formats.filter((each) => !isGood(each))];
}

/** Weight formats in the order of preference: what was asked for, or a ladder of quants and encoders. */
function formatsToTry(model: ModelDescription, wishes: Wishes): Formats[] {
  if (model.basis === 'gguf') {
    const encoderQuant = model.encoder === null ? null : (model.encoderQuant ?? 'as stored');
    return [{ quant: model.quant ?? 'as stored', encoderQuant }];
  }
  const quants = wishes.quant === null ? quantsFrom(wishes.minimum?.quant ?? null) : [wishes.quant];
  const encoders =
    model.encoder === null
      ? [null]
      : wishes.encoderQuant === null
        ? ENCODER_LADDER
        : [wishes.encoderQuant];
  return quants.flatMap((quant) => encoders.map((encoderQuant) => ({ quant, encoderQuant })));
}

/** The ladder down to the least format that will do, or just that one where it is above the ladder. */
export function quantsFrom(least: string | null): readonly string[] {
  if (least === null) return QUANT_LADDER;
  const floor = QUANT_ORDER.indexOf(least);
  const enough = QUANT_LADDER.filter((quant) => QUANT_ORDER.indexOf(quant) <= floor);
  return enough.length > 0 ? enough : [least];
}

function startPoint(
  model: ModelDescription,
  text: TextModel,
  resources: Resources,
  wishes: Wishes,
): Omit<Point, 'formats'> {
  const hasGpu = resources.gpus.length > 0;
  return {
    contextPerSlot: wishes.contextPerSlot ?? requiredContext(model, text, wishes),
    slots: requiredSlots(wishes),
    gpuLayers: hasGpu ? Math.min(wishes.gpuLayers ?? Infinity, text.layers + 1) : 0,
    encoderGpu: hasGpu && model.encoder !== null ? 0 : null,
  };
}

/** Uses what is left: the largest context, then more slots, as long as the fit stays comfortable. */
function grow(base: Evaluated, text: TextModel, resources: Resources, wishes: Wishes): Evaluated {
  let current = base;
  const attempt = (change: Partial<Point>): boolean => {
    const next = evaluateFormatted(current.model, resources, wishes, {
      ...pointOf(current),
      ...change,
    });
    if (next.verdict !== 'fits') return false;
    current = next;
    return true;
  };
  if (wishes.contextPerSlot === null) {
    while (current.settings.contextPerSlot < text.contextMax) {
      const contextPerSlot = Math.min(current.settings.contextPerSlot * 2, text.contextMax);
      if (!attempt({ contextPerSlot })) break;
    }
  }
  if (wishes.slots === null && wishes.workload === null) {
    while (current.settings.slots < MAX_SLOTS && attempt({ slots: current.settings.slots + 1 }));
  }
  return current;
}

/** As many layers on the GPUs as fit, the rest on the CPU; the encoder stays on a GPU if it can. */
function offload(
  source: ModelSource,
  text: TextModel,
  resources: Resources,
  wishes: Wishes,
  point: Point,
): Evaluated {
  const formatted = source.inFormats(point.formats);
  const at = (gpuLayers: number, encoderGpu: number | null) =>
    evaluateFormatted(formatted, resources, wishes, { ...point, gpuLayers, encoderGpu });
  const nothing = at(0, null);
  if (resources.gpus.length === 0 || nothing.verdict === 'no') return nothing;
  if (wishes.gpuLayers !== null) return at(point.gpuLayers, point.encoderGpu);
  const most = (encoderGpu: number | null): Evaluated | null => {
    let found: Evaluated | null = null;
    // More layers never need less of the GPU: bisect.
    for (let low = 0, high = text.layers; low <= high;) {
      const middle = Math.floor((low + high) / 2);
      const here = at(middle, encoderGpu);
      if (here.verdict === 'no' || !isComfortable(here.devices)) high = middle - 1;
      else [found, low] = [here, middle + 1];
    }
    return found;
  };
  return most(point.encoderGpu) ?? most(null) ?? nothing;
}

export function pointOf(evaluated: Evaluated): Point {
  const { formats, settings, encoderGpu } = evaluated;
  return {
    formats,
    contextPerSlot: settings.contextPerSlot,
    slots: settings.slots,
    gpuLayers: settings.gpuLayers,
    encoderGpu,
  };
}

function best(all: readonly Evaluated[]): Evaluated {
  const [first, ...rest] = all;
  if (first === undefined) throw new MmdeployError('plan.invalid', 'no weight format to plan with');
  return rest.reduce((a, b) => (b.roomBytes > a.roomBytes ? b : a), first);
}

function textOf(model: ModelDescription): TextModel {
  if (model.text === null) {
    throw new MmdeployError('plan.invalid', `\`${model.id}\` runs at its vendor: it has no memory`);
  }
  return model.text;
}
