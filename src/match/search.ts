import type { ModelDescription, TextModel } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import {
  isQuantTooLarge,
  isTooLarge,
  isTooLargeBeside,
  isTooLargeForGpus,
  isTooLargeInAll,
} from './bound.ts';
import type { Point } from './evaluate.ts';
import { evaluate, evaluateFormatted, pointOf } from './evaluate.ts';
import { ENCODER_LADDER, QUANT_LADDER, QUANT_ORDER } from './formats.ts';
import { cappedToFit } from './image-cap.ts';
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
 * not one of Q4_K_M or better against one below. Images are capped where no quant of that quality holds
 * the largest one; when no GPU holds the model, as many layers as fit go there and the rest to the CPU. Always returns something: its verdict is `no` when nothing fits.
 */
export function search(source: ModelSource, resources: Resources, wishes: Wishes): Evaluated {
  const { model } = source;
  const text = textOf(model);
  const formats = formatsToTry(model, wishes);
  const start = startPoint(model, text, resources, wishes);
  if (resources.gpus.length > 0 && start.gpuLayers > text.layers) {
    const whole = onGpus(source, text, resources, wishes, formats, start);
    if (whole !== null) return whole;
  }
  const shared: Evaluated[] = [];
  const least = formats.at(-1);
  for (const each of formats) {
    const point = { ...start, formats: each };
    if (each !== least && isTooLargeAnywhere(source, resources, wishes, point)) continue;
    const found = offload(source, text, resources, wishes, point);
    if (found.verdict === 'offload' && isComfortable(found.devices)) return found;
    shared.push(found);
  }
  const offloaded = shared.filter(({ verdict }) => verdict === 'offload');
  return best(offloaded.length > 0 ? offloaded : shared);
}

function isTooLargeAnywhere(
  source: ModelSource,
  resources: Resources,
  wishes: Wishes,
  point: Point,
): boolean {
  if (isQuantTooLarge(source, point.formats.quant, resources, false)) return true;
  return isTooLargeInAll(source.inFormats(point.formats), resources, wishes, point);
}

/** Wholly on the GPUs; null when no format fits there and layers may go to the CPU. */
function onGpus(
  source: ModelSource,
  text: TextModel,
  resources: Resources,
  wishes: Wishes,
  formats: readonly Formats[],
  start: Omit<Point, 'formats'>,
): Evaluated | null {
  const spared = wishes.cpuMoeLayers > 0;
  for (const tier of tiers(formats)) {
    let tight: Evaluated | null = null;
    const failed: Evaluated[] = [];
    for (const each of tier) {
      if (!spared && isQuantTooLarge(source, each.quant, resources, true)) continue;
      const model = source.inFormats(each);
      const point = { ...start, formats: each };
      if (isTooLarge(model, resources, wishes, point)) continue;
      const whole = evaluateFormatted(model, resources, wishes, point);
      if (whole.fault !== null) return whole;
      if (isHeldWell(whole)) return grow(whole, text, resources, wishes);
      if (whole.verdict === 'no') failed.push(whole);
      else tight ??= whole;
    }
    const capped = tight ?? withLargestCap(failed, resources, wishes);
    if (capped !== null) return capped;
  }
  const least = formats.at(-1);
  if (wishes.gpuLayers === null || least === undefined) return null;
  // What was asked for does not fit: the format that comes nearest says by how much.
  return evaluate(source, resources, wishes, { ...start, formats: least });
}

/** Of formats that do not hold every image the one that holds the largest; of equal ones the better. */
function withLargestCap(
  failed: readonly Evaluated[],
  resources: Resources,
  wishes: Wishes,
): Evaluated | null {
  const capped = failed.flatMap((each) => cappedToFit(each, resources, wishes) ?? []);
  const capOf = ({ imageCap }: Evaluated) => imageCap ?? Infinity;
  const most = Math.max(...capped.map(capOf));
  return capped.find((each) => capOf(each) === most) ?? null;
}

/** Every GPU keeps its room, whatever was asked to stay on the CPU. */
function isHeldWell({ verdict, devices }: Evaluated): boolean {
  return verdict !== 'no' && isComfortable(devices);
}

/** Formats of good quality, then the rest; formats that are not on the ladder are what was asked for. */
function tiers(formats: readonly Formats[]): readonly (readonly Formats[])[] {
  const isGood = ({ quant }: Formats) => isGoodQuant(quant);
  return [formats.filter(isGood), formats.filter((each) => !isGood(each))];
}

/** Q4_K_M or better; a format that is on no list is what somebody asked for. */
export function isGoodQuant(quant: string | null): boolean {
  return quant === null || QUANT_ORDER.indexOf(quant) <= QUANT_ORDER.indexOf(LOWEST_GOOD);
}

/** Weight formats in the order of preference: what was asked for, or a ladder of quants and encoders. */
function formatsToTry(model: ModelDescription, wishes: Wishes): Formats[] {
  if (model.basis === 'gguf') {
    return [storedFormats(model, wishes)];
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

/** The formats of a GGUF pair: those of its files, unless others were asked for. */
export function storedFormats(model: ModelDescription, wishes: Wishes): Formats {
  const { quant, encoder, encoderQuant } = model;
  return {
    quant: wishes.quant ?? quant ?? 'as stored',
    encoderQuant: encoder === null ? null : (wishes.encoderQuant ?? encoderQuant ?? 'as stored'),
  };
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
    encoderGpu: hasGpu && model.encoder !== null && !wishes.encoderOnCpu ? 0 : null,
    imageCap: null,
  };
}

/** Uses what is left: the largest context, then more slots, as long as the fit stays comfortable. */
function grow(base: Evaluated, text: TextModel, resources: Resources, wishes: Wishes): Evaluated {
  const { contextPerSlot, slots } = base.settings;
  let current = base;
  // From the most down: a cheap bound rules out most of what is too much.
  const take = (changes: readonly Partial<Point>[]): void => {
    for (const change of changes) {
      const here = pointOf(current);
      const point = { ...here, ...change };
      if (isTooLargeBeside(current, resources, wishes, here, point)) continue;
      const next = evaluateFormatted(current.model, resources, wishes, point);
      if (!isHeldWell(next)) continue;
      current = next;
      return;
    }
  };
  if (wishes.contextPerSlot === null) {
    take(
      contextsAbove(contextPerSlot, text.contextMax).map((tokens) => ({ contextPerSlot: tokens })),
    );
  }
  if (wishes.slots === null && wishes.workload === null) {
    const more = Math.max(0, MAX_SLOTS - slots);
    take(Array.from({ length: more }, (_, index) => ({ slots: MAX_SLOTS - index })));
  }
  return current;
}

/** Doublings of a context up to what the model was trained for, largest first. */
function contextsAbove(tokens: number, most: number): number[] {
  const found: number[] = [];
  for (let next = tokens; next < most;) {
    next = Math.min(next * 2, most);
    found.unshift(next);
  }
  return found;
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
  const at = (change: Partial<Point>) =>
    evaluateFormatted(formatted, resources, wishes, { ...point, ...change });
  const orCapped = (result: Evaluated) =>
    result.verdict === 'no' ? (cappedToFit(result, resources, wishes) ?? result) : result;
  const onCpu = { gpuLayers: 0, encoderGpu: null };
  if (resources.gpus.length === 0) return orCapped(at(onCpu));
  if (wishes.gpuLayers !== null) return orCapped(at({}));
  const gpusHold = ({ devices }: Evaluated) => isComfortable(devices);
  const most = (change: Partial<Point>): Evaluated | null => {
    let found: Evaluated | null = null;
    // More layers never need less of the GPU, nor more of the host: bisect for the most that the GPUs hold.
    for (let low = 0, high = text.layers; low <= high;) {
      const middle = Math.floor((low + high) / 2);
      const tried = { ...point, ...change, gpuLayers: middle };
      const here = isTooLargeForGpus(formatted, resources, wishes, tried) ? null : at(tried);
      if (here === null || !gpusHold(here)) high = middle - 1;
      else [found, low] = [here, middle + 1];
    }
    return found;
  };
  const withEncoder = most({});
  if (withEncoder !== null && withEncoder.verdict !== 'no') return withEncoder;
  // An encoder on the GPU with smaller images answers sooner than one on the CPU.
  const capped =
    point.encoderGpu === null
      ? null
      : cappedToFit(at({ gpuLayers: 0 }), resources, wishes, gpusHold);
  const withCap = capped === null ? null : most({ imageCap: capped.imageCap });
  if (withCap !== null && withCap.verdict !== 'no') return withCap;
  return orCapped(most({ encoderGpu: null }) ?? withEncoder ?? at(onCpu));
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
