import type { TextModel } from '../../contracts/model.ts';
import { hyperNumber } from '../../layout/hyper.ts';
import {
  cachingLayers,
  feedForwardOf,
  hasExperts,
  isSliding,
  predictionLayers,
  recurrentState,
} from '../../layout/layer-kinds.ts';
import { perLayerWidth } from '../../layout/text-extras.ts';
import { allocate } from './allocate.ts';
import { embeddings, perLayerEmbeddings } from './embeddings.ts';
import { SPARSE_LAYERS, gemma3nBlock, gemma3nMerge, gemma3nStreams } from './gemma3n.ts';
import { logits } from './logits.ts';
import { phi2Block } from './phi2.ts';
import { knowsGraph } from './recipes.ts';
import { PIPELINE_COPIES, schedule } from './schedule.ts';

import { MissingTensor, TextContext } from './text-context.ts';
import type { TextGraphSetup } from './text-context.ts';
import { transformerBlock } from './transformer-block.ts';
export type { TextGraphSetup } from './text-context.ts';

/** Bytes of the compute buffer on each GPU, in order, and on the host. */
export type ComputeBytes = { readonly gpus: readonly number[]; readonly host: number };

/**
 * What llama.cpp reserves for the compute graph of `setup`, to the byte but for alignments. Null for an
 * architecture that is not known, or a file that lacks tensors of it.
 */
export function reservedBytes(setup: TextGraphSetup): ComputeBytes | null {
  if (!knowsGraph(setup.text)) return null;
  const { text, placement, ...rest } = setup;
  const { arch, layers, vocabulary, hyper, tensors } = text;
  const kinds = layerKinds(setup);
  const kept = distinctLayers(setup, kinds);
  const known = LAID_OUT.get(hyper) ?? new Map<string, ComputeBytes | null>();
  LAID_OUT.set(hyper, known);
  const shape = [...kept.map((layer) => kinds[layer]), placement[layers] ?? 'cpu'];
  const key = JSON.stringify([arch, layers, vocabulary, tensors.length, rest, shape]);
  const before = known.get(key);
  if (before !== undefined) return before;
  const made = laidOut(setup, kept);
  known.set(key, made);
  return made;
}

/**
 * Layouts already made: weights lie elsewhere, so that a search through the quants of a model, which share
 * its keys, asks for the same graph again and again; so does one that moves the border between GPU and CPU
 * along equal blocks.
 */
const LAID_OUT = new WeakMap<TextModel['hyper'], Map<string, ComputeBytes | null>>();

function laidOut(setup: TextGraphSetup, kept: readonly number[]): ComputeBytes | null {
  const context = new TextContext(setup);
  try {
    build(context, kept);
  } catch (error) {
    if (error instanceof MissingTensor) return null;
    throw error;
  }
  // Pipeline parallelism: several GPUs, all layers on them, no tensor placed by hand.
  const pipeline = setup.gpus > 1 && !setup.placement.includes(null) && setup.cpuMoeLayers === 0;
  const placed = schedule(context.graph, context.cpu, pipeline ? PIPELINE_COPIES : 1);
  const sizes = allocate(placed, setup.gpus + 1);
  return { gpus: sizes.slice(0, setup.gpus), host: sizes[setup.gpus] ?? 0 };
}

/** Blocks that a decoding step runs. */
const runLayers = (text: TextModel): number => Math.max(0, text.layers - predictionLayers(text));

/** Repetitions of a pair of neighbouring blocks after which further ones need no other memory. */
const SETTLED = 2;

/**
 * Blocks that are laid out: equal ones one after another use the same memory again, so that of each pair
 * of neighbours only the first few count, and the last block. Both of a pair are kept: a block computes
 * elsewhere when the next one lies on another device.
 */
function distinctLayers({ text, placement }: TextGraphSetup, kinds: readonly string[]): number[] {
  const all = kinds.map((_, layer) => layer);
  const last = all.length - 1;
  const deepstack = hyperNumber(text, 'n_deepstack_layers') ?? 0;
  // Caches and embeddings that other layers own are copied to another device once for each reader.
  const crossing =
    new Set(placement).size > 1 &&
    (perLayerWidth(text) > 0 || deepstack > 0 || cachingLayers(text) <= last);
  if (crossing) return all;
  const fresh = freshPairs(kinds);
  return all.filter(
    (layer) =>
      fresh[layer] === true || fresh[layer + 1] === true || layer >= last || layer < deepstack,
  );
}

/** Whether the pair that ends at each place has come up fewer times than settle it. */
function freshPairs(kinds: readonly string[]): boolean[] {
  const seen = new Map<string, number>();
  return kinds.map((kind, index) => {
    const pair = `${kinds[index - 1] ?? ''} > ${kind}`;
    const count = (seen.get(pair) ?? 0) + 1;
    seen.set(pair, count);
    return count <= SETTLED;
  });
}

/** What the memory of each block that runs depends on, its place first. */
function layerKinds(setup: TextGraphSetup): string[] {
  const { text, placement, cpuMoeLayers } = setup;
  const owners = cachingLayers(text);
  return Array.from({ length: runLayers(text) }, (_, layer) =>
    [
      placement[layer] ?? 'cpu',
      layer < cpuMoeLayers,
      isSliding(text, layer),
      layer >= owners,
      hasExperts(text, layer),
      recurrentState(text, layer) !== null,
      text.kvHeads[layer],
      feedForwardOf(text, layer),
      layer < SPARSE_LAYERS,
    ].join(' '),
  );
}

function build(context: TextContext, kept: readonly number[]): void {
  const { text, graph } = context;
  const perLayer = perLayerEmbeddings(context);
  const entry = embeddings(context);
  context.entry = entry;
  const shares = perLayer === null ? null : perLayer(entry);
  const streams = text.arch === 'gemma3n';
  let current = streams ? gemma3nStreams(context, entry) : entry;
  const last = runLayers(text) - 1;
  for (const layer of kept) {
    const block = text.arch === 'phi2' ? phi2Block : transformerBlock;
    current = streams
      ? gemma3nBlock(context, layer, current, shares)
      : block(context, { layer, entry: current, last: layer === last, shares });
  }
  graph.expand(logits(context, streams ? gemma3nMerge(context, current) : current));
}
