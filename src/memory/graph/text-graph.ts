import { allocate } from './allocate.ts';
import { embeddings, perLayerEmbeddings } from './embeddings.ts';
import { gemma3nBlock, gemma3nMerge, gemma3nStreams } from './gemma3n.ts';
import { logits } from './logits.ts';
import { PIPELINE_COPIES, schedule } from './schedule.ts';
import { predictionLayers } from '../../layout/layer-kinds.ts';
import { TextContext } from './text-context.ts';
import type { TextGraphSetup } from './text-context.ts';
import { transformerBlock } from './transformer-block.ts';
export type { TextGraphSetup } from './text-context.ts';

/** Bytes of the compute buffer on each GPU, in order, and on the host. */
export type ComputeBytes = { readonly gpus: readonly number[]; readonly host: number };

/** What llama.cpp reserves for the compute graph of `setup`, to the byte but for alignments. */
export function reservedBytes(setup: TextGraphSetup): ComputeBytes {
  const context = new TextContext(setup);
  build(context);
  // Pipeline parallelism: several GPUs, all layers on them, no tensor placed by hand.
  const pipeline = setup.gpus > 1 && !setup.placement.includes(null) && setup.cpuMoeLayers === 0;
  const placed = schedule(context.graph, context.cpu, pipeline ? PIPELINE_COPIES : 1);
  const sizes = allocate(placed, setup.gpus + 1);
  return { gpus: sizes.slice(0, setup.gpus), host: sizes[setup.gpus] ?? 0 };
}

function build(context: TextContext): void {
  const { text, graph } = context;
  const perLayer = perLayerEmbeddings(context);
  const entry = embeddings(context);
  context.entry = entry;
  const shares = perLayer === null ? null : perLayer(entry);
  const streams = text.arch === 'gemma3n';
  let current = streams ? gemma3nStreams(context, entry) : entry;
  const last = text.layers - predictionLayers(text) - 1;
  for (let layer = 0; layer <= last; layer++) {
    current = streams
      ? gemma3nBlock(context, layer, current, shares)
      : transformerBlock(context, { layer, entry: current, last: layer === last, shares });
  }
  graph.expand(logits(context, streams ? gemma3nMerge(context, current) : current));
}
