import { hyperNumber } from '../../layout/hyper.ts';
import { perLayerWidth } from '../../layout/text-extras.ts';
import { MissingTensor } from './text-context.ts';
import type { TextContext } from './text-context.ts';
import {
  compute,
  elementwise,
  input,
  matrixProduct,
  permute,
  reshape,
  rows,
  setRows,
  view,
} from './tensor.ts';
import type { GraphTensor } from './tensor.ts';

/** Architectures that scale token embeddings, but not those of an image: one factor for each row. */
const SCALED_ROWS: ReadonlySet<string> = new Set(['gemma3', 'gemma3n', 'gemma4']);
/** Architectures that scale all embeddings by one factor. */
const SCALED: ReadonlySet<string> = new Set(['granite', 'granitemoe', 'minicpm']);

/**
 * Token embeddings, or those that an image brings, or both in one batch: llama.cpp lays all three out and
 * takes one (`ggml_build_forward_select`). Qwen3-VL's carry further layers' inputs beside the first.
 */
export function embeddings(context: TextContext): GraphTensor {
  const { text, tokens, graph } = context;
  const table = context.weight('token_embd.weight', null);
  if (table === null) throw new MissingTensor('no token embedding');
  const width = text.embedding * (1 + (hyperNumber(text, 'n_deepstack_layers') ?? 0));
  const looked = rows(table, input('i32', tokens));
  const lookedMixed = rows(table, input('i32', tokens));
  graph.expand(looked);
  graph.expand(lookedMixed);
  const padded = (of: GraphTensor) =>
    width === text.embedding ? of : compute('PAD', [width, tokens], [of]);
  const entry = padded(looked);
  const rowsOfMixed = padded(lookedMixed);
  graph.expand(entry);
  graph.expand(rowsOfMixed);
  const mixed = elementwise('DUP', input('f32', width, tokens));
  graph.expand(setRows(mixed, rowsOfMixed, input('i64', tokens)));
  graph.expand(input('f32', width, tokens));
  const first =
    width === text.embedding ? entry : view(entry, [text.embedding, tokens], [width * 4]);
  const entered = scaled(context, first);
  graph.expand(entered);
  return entered;
}

function scaled(context: TextContext, of: GraphTensor): GraphTensor {
  const { text, tokens } = context;
  if (SCALED_ROWS.has(text.arch)) {
    return elementwise('MUL', of, context.shared('scale rows', 'f32', 1, tokens));
  }
  return SCALED.has(text.arch) ? context.scale(of) : of;
}

/** The part of the embedding that Qwen3-VL adds after one of its first layers. */
export function deepstackInput(context: TextContext, entry: GraphTensor): GraphTensor {
  const { text, tokens } = context;
  const wide = entry.viewOf ?? entry;
  return view(wide, [text.embedding, tokens], [wide.shape[0] * 4]);
}

/**
 * Gemma 3n and 4 look up an embedding for every layer: a table on the host, and a projection of the
 * entry. Null for all others; the caller gives the scaled entry.
 */
export function perLayerEmbeddings(
  context: TextContext,
): ((entry: GraphTensor) => GraphTensor) | null {
  const { text, tokens, graph } = context;
  const width = perLayerWidth(text);
  const table = context.weight('per_layer_token_embd.weight', null);
  if (table === null) return null;
  const looked = rows(table, input('i32', tokens));
  if (text.arch === 'gemma4') graph.expand(looked);
  return (entry) => {
    const selected = reshape(looked, width, text.layers, tokens);
    const own = context.scale(selected);
    const weight = context.weight('per_layer_model_proj.weight', 0);
    const norm = context.weight('per_layer_proj_norm.weight', 0);
    if (weight === null || norm === null) throw new MissingTensor('no per-layer projection');
    const projected = reshape(
      context.scale(matrixProduct(weight, entry)),
      width,
      text.layers,
      tokens,
    );
    const normed = context.normBy(norm, null, projected);
    if (text.arch === 'gemma3n') graph.expand(own);
    const sum = context.scale(context.add(normed, own));
    return context.contiguous(permute(sum, [0, 2, 1, 3]));
  };
}
