import type { TextModel } from '../contracts/model.ts';
import { roundUp } from '../units.ts';
import { hyperNumber } from '../layout/hyper.ts';
import { recurrentState } from '../layout/layer-kinds.ts';
import { perLayerWidth } from '../layout/text-extras.ts';
import { PIPELINE_COPIES } from './graph/schedule.ts';
import { reservedBytes } from './graph/text-graph.ts';
import type { ComputeBytes, TextGraphSetup } from './graph/text-graph.ts';
import { cacheShape } from './kv-cache.ts';
import type { LayerPlacement } from './split.ts';
import type { LaunchSettings, PartBytes } from './types.ts';

/** Compute buffers of every device; `known` is false where the architecture's graph had to be guessed. */
export type ComputeParts = {
  readonly gpus: readonly PartBytes[];
  readonly host: PartBytes;
  readonly known: boolean;
};

/**
 * Compute buffer of each GPU and of the host. llama.cpp reserves them by laying its graph out for the
 * largest micro-batch before it loads anything; the same graph is laid out here with the same allocator
 * (`graph/`), so the figures are its own and no fit.
 */
export function computeBuffers(
  text: TextModel,
  settings: LaunchSettings,
  placement: LayerPlacement,
  gpus: number,
): ComputeParts {
  const setup = graphSetup(text, settings, placement, gpus);
  const laidOut = reservedBytes(setup);
  const known = laidOut !== null;
  const bytes = laidOut ?? roughBytes(setup);
  const formula =
    `largest use of the graph for ${setup.tokens} tokens, ${setup.outputs} logits rows, ` +
    `${setup.cache.streams} x ${setup.cache.cells} cells` +
    (known ? '' : `: no graph of ${text.arch} is known, an upper estimate`);
  const part = (value: number): PartBytes => ({ bytes: value, formula });
  return { gpus: bytes.gpus.map(part), host: part(bytes.host), known };
}

/** Wide activations and embeddings alive at once, above what any known graph needs. */
const ROUGH_WIDE = 5;
const ROUGH_EMBEDDINGS = 24;
const ROUGH_PER_LAYER = 8;
const ROUGH_STATES = 4;
/** What crosses between devices is held on both, some of it in several copies. */
const ROUGH_SEVERAL = 2;

/**
 * An upper estimate for a model whose graph is not known, from the widest matrices of its file: never less
 * than what the known graphs need, several devices and missing flash attention included.
 */
function roughBytes({
  text,
  tokens,
  outputs,
  slots,
  cache,
  gpus,
  placement,
  flashAttention,
  cpuMoeLayers,
}: TextGraphSetup): ComputeBytes {
  const used = hyperNumber(text, 'expert_used_count') ?? 1;
  const widest = text.tensors
    .filter(({ name }) => name.startsWith('blk.'))
    .map(({ shape }) => Math.max(shape[0] ?? 0, shape[1] ?? 0) * (shape.length > 2 ? used : 1));
  const row = tokens * F32;
  const wide = widest.reduce((most, width) => Math.max(most, width), text.embedding);
  const masks = PIPELINE_COPIES * cache.cells * tokens * F32;
  const scores = flashAttention ? 0 : (text.heads + 1) * cache.cells * row;
  const embeddings =
    ROUGH_EMBEDDINGS * text.embedding * (1 + (hyperNumber(text, 'n_deepstack_layers') ?? 0)) +
    ROUGH_PER_LAYER * perLayerWidth(text) * text.layers;
  const states = text.kvHeads.map((_, layer) => recurrentState(text, layer)?.state ?? 0);
  const state = ROUGH_STATES * slots * F32 * states.reduce((most, one) => Math.max(most, one), 0);
  const several = placement.length > 0 && new Set(placement).size > 1 ? ROUGH_SEVERAL : 1;
  const activations = several * (row * (ROUGH_WIDE * wide + embeddings) + masks + state);
  const logits = outputs * text.vocabulary * F32;
  const computing = activations + scores + logits;
  const hostComputes = placement.includes(null) || cpuMoeLayers > 0;
  return {
    gpus: Array.from({ length: gpus }, () => computing),
    host: hostComputes ? computing : several * row * embeddings + masks,
  };
}

const F32 = 4;

function graphSetup(
  text: TextModel,
  settings: LaunchSettings,
  placement: LayerPlacement,
  gpus: number,
): TextGraphSetup {
  const cache = cacheShape(text, settings);
  const wanted = Math.min(settings.ubatch, cache.cells * cache.streams);
  return {
    text,
    placement,
    gpus,
    // Every stream gets as many tokens of the micro-batch.
    tokens: roundUp(wanted, cache.streams),
    outputs: settings.slots,
    cache,
    slots: settings.slots,
    flashAttention: settings.flashAttention,
    keyType: settings.kvType,
    valueType: settings.kvTypeV ?? settings.kvType,
    cpuMoeLayers: settings.cpuMoeLayers ?? 0,
  };
}
