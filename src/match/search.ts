import type { ModelDescription, TextModel } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import type { Point } from './evaluate.ts';
import { evaluate, evaluateFormatted } from './evaluate.ts';
import { ENCODER_LADDER, QUANT_LADDER } from './formats.ts';
import type { Evaluated, Formats, ModelSource, Resources, Wishes } from './types.ts';
import { isComfortable } from './verdict.ts';
import { requiredContext } from './workload.ts';

/** Most slots that the search gives on its own: beyond, llama.cpp's decoding gains little. */
const MAX_SLOTS = 8;

/**
 * The best configuration that keeps the wishes: the workload first, then the highest quant, then
 * context, then slots. A comfortable fit beats a tight one of a higher quant; when no GPU holds the
 * model, as many layers as fit go there and the rest to the CPU. Always returns something: its verdict
 * is `no` when nothing fits.
 */
export function search(source: ModelSource, resources: Resources, wishes: Wishes): Evaluated {
  const { model } = source;
  const text = textOf(model);
  const formats = formatsToTry(model, wishes);
  const start = startPoint(model, text, resources, wishes);
  if (resources.gpus.length > 0 && start.gpuLayers > text.layers) {
    const whole = formats.map((each) =>
      evaluate(source, resources, wishes, { ...start, formats: each }),
    );
    const comfortable = whole.find(({ verdict }) => verdict === 'fits');
    if (comfortable) return grow(comfortable, text, resources, wishes);
    const tight = whole.find(({ verdict }) => verdict === 'tight');
    if (tight) return tight;
    if (wishes.gpuLayers !== null) return best(whole);
  }
  const shared = formats.map((each) =>
    offload(source, text, resources, wishes, { ...start, formats: each }),
  );
  const offloaded = shared.filter(({ verdict }) => verdict === 'offload');
  return (
    offloaded.find(({ devices }) => isComfortable(devices)) ??
    best(offloaded.length > 0 ? offloaded : shared)
  );
}

/** Weight formats in the order of preference: what was asked for, or a ladder of quants and encoders. */
function formatsToTry(model: ModelDescription, wishes: Wishes): Formats[] {
  const fixed = model.basis === 'gguf';
  const quants = fixed
    ? [model.quant ?? 'as stored']
    : wishes.quant === null
      ? QUANT_LADDER
      : [wishes.quant];
  const encoders =
    model.encoder === null
      ? [null]
      : fixed
        ? [model.encoderQuant ?? 'as stored']
        : wishes.encoderQuant === null
          ? ENCODER_LADDER
          : [wishes.encoderQuant];
  return quants.flatMap((quant) => encoders.map((encoderQuant) => ({ quant, encoderQuant })));
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
    slots: wishes.slots ?? wishes.workload?.users ?? 1,
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
