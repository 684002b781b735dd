import type { EngineName } from '../contracts/basis.ts';
import type { TextModel } from '../contracts/model.ts';
import type { Recommendation, RecommendedCards } from '../contracts/recommend.ts';
import { RECOMMEND_SCHEMA } from '../contracts/recommend.ts';
import { MmdeployError } from '../errors.ts';
import { isTooLarge } from '../match/bound.ts';
import { evaluateFormatted } from '../match/evaluate.ts';
import { isComfortable } from '../match/verdict.ts';
import {
  cheapestOf,
  fittingOffers,
  offersOf,
  smallestOf,
  staleWarning,
} from '../match/recommend.ts';
import { QUANT_ORDER } from '../match/formats.ts';
import type { Formats, Wishes } from '../match/types.ts';
import { storedFormats } from '../match/search.ts';
import { evaluateVllm } from '../match/vllm/evaluate.ts';
import { startPoint } from '../match/vllm/search.ts';
import type { VllmVariant } from '../match/vllm/types.ts';
import { requiredContext, requiredSlots } from '../match/workload.ts';
import { runtimeOverhead } from '../memory/runtime.ts';
import type { DeviceInput } from '../memory/types.ts';
import { loadCards, loadGpuPrices } from '../profiles/load.ts';
import type { Context } from './context.ts';
import type { LoadedModel, ModelRequest } from './model.ts';
import { loadModel, profileFolders } from './model.ts';
import { engineFor } from './plan.ts';
import { vllmRequest } from './vllm.ts';

export type RecommendRequest = {
  readonly model: ModelRequest;
  readonly wishes: Wishes;
  readonly engine: EngineName | 'auto';
};

/** Formats a recommendation is made for; below Q4_K_M a smaller card is bought with worse answers. */
const QUANTS = ['F16', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M'] as const;
const HOST: DeviceInput = {
  ...{ id: 'host', name: 'CPU', capacityBytes: null, freeBytes: null, backend: null },
};

/** The smallest and the cheapest cards that hold the workload, for each quant. Throws for an API model. */
export async function recommendWorkflow(
  request: RecommendRequest,
  ctx: Context,
): Promise<Recommendation> {
  const folders = profileFolders(ctx, request.model.profilesDir);
  const [loaded, cards, prices] = await Promise.all([
    loadModel(request.model, ctx),
    loadCards(folders),
    loadGpuPrices(folders),
  ]);
  return recommendFor(loaded, request, offersOf(cards, prices), ctx.now());
}

/** The same for a model and offers that are loaded already. */
export function recommendFor(
  loaded: LoadedModel,
  { wishes, engine: asked }: Pick<RecommendRequest, 'wishes' | 'engine'>,
  offers: ReturnType<typeof offersOf>,
  now: Date,
): Recommendation {
  const { model } = loaded.source;
  const { text } = model;
  if (text === null) {
    throw new MmdeployError(
      'usage.invalid',
      `\`${model.id}\` runs at its vendor: it needs no card`,
      {
        hints: [`\`mmdeploy estimate --model ${model.id}\` says what it costs`],
      },
    );
  }
  const engine = engineFor(loaded, asked);
  const rows = holdersOf(loaded, text, wishes, engine).map(({ formats, holds }) => {
    const fitting = fittingOffers(offers, holds, now);
    return { ...formats, smallest: smallestOf(fitting), cheapest: cheapestOf(fitting) };
  });
  const shown: (RecommendedCards | null)[] = rows.flatMap((row) => [row.smallest, row.cheapest]);
  const stale = staleWarning(shown);
  return {
    schema: RECOMMEND_SCHEMA,
    model: { id: model.id, name: model.name },
    engine,
    contextPerSlot: wishes.contextPerSlot ?? requiredContext(model, text, wishes, engine),
    slots: requiredSlots(wishes),
    rows,
    warnings: [...loaded.warnings, ...(stale === null ? [] : [stale])],
  };
}

type Holder = {
  readonly formats: Formats;
  readonly holds: (gpus: readonly DeviceInput[]) => number | null;
};

/** The formats to recommend for, each with what says whether cards hold it. */
function holdersOf(
  loaded: LoadedModel,
  text: TextModel,
  asked: Wishes,
  engine: EngineName,
): Holder[] {
  if (engine !== 'vllm') {
    return formatsOf(loaded, asked).map((formats) => ({
      formats,
      holds: holdsOnLlamaCpp(loaded, text, asked, formats),
    }));
  }
  const { wishes, variants } = vllmRequest(loaded, asked);
  const encoderQuant = loaded.source.model.encoder === null ? null : 'BF16';
  return variants.map((variant) => ({
    formats: { quant: variant.format, encoderQuant },
    holds: holdsOnVllm(variant, wishes),
  }));
}

function formatsOf({ source }: LoadedModel, wishes: Wishes): Formats[] {
  const { model } = source;
  const sees = model.encoder !== null;
  if (model.basis === 'gguf') {
    return [storedFormats(model, wishes)];
  }
  const encoderQuant = sees ? (wishes.encoderQuant ?? 'F16') : null;
  const least = wishes.minimum?.quant ?? null;
  const good = QUANTS.filter(
    (quant) => least === null || QUANT_ORDER.indexOf(quant) <= QUANT_ORDER.indexOf(least),
  );
  const quants = wishes.quant === null ? good : [wishes.quant];
  return quants.map((quant) => ({ quant, encoderQuant }));
}

function holdsOnLlamaCpp(
  { source }: LoadedModel,
  text: TextModel,
  wishes: Wishes,
  formats: Formats,
) {
  const model = source.inFormats(formats);
  const point = {
    formats,
    contextPerSlot: wishes.contextPerSlot ?? requiredContext(model, text, wishes),
    slots: requiredSlots(wishes),
    gpuLayers: text.layers + 1,
    encoderGpu: model.encoder === null ? null : 0,
    imageCap: null,
  };
  // Cards of one kind share the layers evenly, whatever their size: one layout for each number of them.
  const peaks = new Map<number, number>();
  const peakOn = (gpus: readonly DeviceInput[]): number => {
    const found = evaluateFormatted(model, { gpus, host: HOST }, wishes, point);
    if (found.fault !== null) return Infinity;
    const devices = found.devices.filter(({ id }) => id !== 'host');
    const runtime = runtimeOverhead(gpus[0]?.backend ?? null).bytes;
    return Math.max(...devices.map((each) => each.peakBytes)) - runtime;
  };
  return (gpus: readonly DeviceInput[]): number | null => {
    if (isTooLarge(model, { gpus, host: HOST }, wishes, point)) return null;
    const withoutRuntime = peaks.get(gpus.length) ?? peakOn(gpus);
    peaks.set(gpus.length, withoutRuntime);
    const peak = withoutRuntime + runtimeOverhead(gpus[0]?.backend ?? null).bytes;
    const full = { items: [], afterLoadBytes: peak, peakBytes: peak };
    return isComfortable(gpus.map((gpu) => ({ ...gpu, ...full }))) ? peak : null;
  };
}

/** The peak of the fullest GPU of a tensor-parallel group; null where vLLM would not start on it. */
function holdsOnVllm(variant: VllmVariant, wishes: Wishes) {
  return (gpus: readonly DeviceInput[]): number | null => {
    const found = evaluateVllm(startPoint(variant, gpus, wishes), wishes);
    return found.verdict === 'fits' ? (found.devices[0]?.peakBytes ?? null) : null;
  };
}
