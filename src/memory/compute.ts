import type { TextModel } from '../contracts/model.ts';
import { roundUp } from '../units.ts';
import { knowsGraph } from './graph/recipes.ts';
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
 * What is added to the graph of a LLaMA-like model for an architecture that is not known: its own graph
 * may hold more at once, and an estimate must not be too small.
 */
const UNKNOWN_GRAPH_FACTOR = 1.5;

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
  const known = knowsGraph(text);
  const bytes = laidOut(setup);
  const factor = known ? 1 : UNKNOWN_GRAPH_FACTOR;
  const formula =
    `largest use of the graph for ${setup.tokens} tokens, ${setup.outputs} logits rows, ` +
    `${setup.cache.streams} x ${setup.cache.cells} cells` +
    (known ? '' : ` as for llama, x ${UNKNOWN_GRAPH_FACTOR}: no graph of ${text.arch} is known`);
  const part = (value: number): PartBytes => ({ bytes: value * factor, formula });
  return { gpus: bytes.gpus.map(part), host: part(bytes.host), known };
}

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

function laidOut(setup: TextGraphSetup): ComputeBytes {
  return reservedBytes(setup);
}
