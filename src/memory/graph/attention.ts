import { headLengths, isSliding } from '../../layout/layer-kinds.ts';
import type { TextContext } from './text-context.ts';
import {
  compute,
  elementwise,
  elements,
  isContiguous,
  matrixProduct,
  permute,
  reshape,
  setRows,
  transpose,
  view,
} from './tensor.ts';
import type { GraphTensor } from './tensor.ts';

/** Width of the blocks that quantised K and V are rotated in (`build_input_k_rot`); V takes the smallest. */
const ROTATION = 64;

export type AttentionInput = {
  readonly layer: number;
  readonly query: GraphTensor;
  /** null: the cache of an earlier layer is read. */
  readonly key: GraphTensor | null;
  readonly value: GraphTensor | null;
  /** Latent attention: V is the first part of the cached K and is expanded by this weight. */
  readonly latentValues?: GraphTensor | null;
  readonly sinks?: GraphTensor | null;
  /** Multiplied with the result before it is projected. */
  readonly gate?: () => GraphTensor;
};

/** Stores K and V, attends to the cache and projects the result (`build_attn` in `llama-graph.cpp`). */
export function attend(context: TextContext, input: AttentionInput): GraphTensor {
  const { graph } = context;
  const { layer, latentValues = null } = input;
  const rotations = rotationsOf(context, layer);
  const latent = latentValues !== null;
  const query = rotate(input.query, latent ? null : rotations.key);
  const key = input.key === null ? null : rotate(input.key, latent ? null : rotations.key);
  const value = input.value === null ? null : rotate(input.value, latent ? null : rotations.value);
  graph.expand(query);
  // With a window cache K comes first, else V.
  for (const part of isWindowed(context) ? [key, value] : [value, key]) {
    if (part !== null) graph.expand(part);
  }
  if (key !== null) graph.expand(store(context, 'k', layer, key));
  if (value !== null && !latent) graph.expand(store(context, 'v', layer, value));
  const mixed = mix(context, input, query, value);
  const turned = latent ? mixed : rotate(mixed, rotations.value);
  const gated = input.gate === undefined ? turned : elementwise('MUL', turned, input.gate());
  return context.project(layer, 'attn_output', gated);
}

function isWindowed(context: TextContext): boolean {
  return context.text.kvHeads.some((_, layer) => isSliding(context.text, layer));
}

function rotationsOf(
  context: TextContext,
  layer: number,
): { key: GraphTensor | null; value: GraphTensor | null } {
  const { keyType, valueType } = context.setup;
  const quantised = (type: string) => !['f32', 'f16', 'bf16'].includes(type);
  const lengths = headLengths(context.text, layer);
  const kind = isSliding(context.text, layer) ? 'window' : 'full';
  const make = (part: string, type: string, length: number, size: number) =>
    quantised(type) && length % ROTATION === 0
      ? context.shared(`rotation ${part} ${kind}`, 'f32', size, size)
      : null;
  let size = ROTATION;
  while (lengths.key > 0 && lengths.key % (2 * size) === 0) size *= 2;
  return {
    key: make('k', keyType, lengths.key, size),
    value: make('v', valueType, lengths.value, ROTATION),
  };
}

function rotate(of: GraphTensor, rotation: GraphTensor | null): GraphTensor {
  if (rotation === null) return of;
  const width = rotation.shape[0];
  const count = elements(of) / width;
  const flat = isContiguous(of) ? reshape(of, width, count) : compute('CONT', [width, count], [of]);
  return reshape(matrixProduct(rotation, flat), ...of.shape);
}

/** `cpy_k` and `cpy_v` of `llama-kv-cache.cpp`. */
function store(
  context: TextContext,
  kind: 'k' | 'v',
  layer: number,
  current: GraphTensor,
): GraphTensor {
  const { flashAttention, cache } = context.setup;
  const [length, heads] = current.shape;
  const width = length * heads;
  const { tokens } = context;
  const held = context.cache(kind, layer);
  const window = isSliding(context.text, layer) ? 'window' : 'full';
  const transposed = kind === 'v' && !flashAttention;
  if (!transposed) {
    const rows = view(current, [width, tokens], [current.strides[2]]);
    const into =
      cache.streams > 1 ? reshape(held, width, context.cells(layer) * cache.streams) : held;
    return setRows(into, rows, context.shared(`${kind} cells ${window}`, 'i64', tokens));
  }
  const dense =
    current.strides[2] === width * 4
      ? reshape(current, width, tokens)
      : compute('CONT', [width, tokens], [current]);
  const into = reshape(held, 1, elements(held));
  const columns = reshape(dense, 1, elements(dense));
  const widest = Math.max(
    ...context.text.kvHeads.map((count, index) => count * headLengths(context.text, index).value),
  );
  return setRows(into, columns, context.shared(`v cells ${window}`, 'i64', tokens * widest));
}

/** Windows of the query, the cache and the mask as `build_attn_mha` takes them. */
type Operands = {
  readonly query: GraphTensor;
  readonly keys: GraphTensor;
  readonly values: GraphTensor;
  readonly mask: GraphTensor;
  /** Of one head of the result, before latent values are expanded. */
  readonly length: number;
  readonly heads: number;
};

function operands(
  context: TextContext,
  { layer, latentValues = null }: AttentionInput,
  current: GraphTensor,
  value: GraphTensor | null,
): Operands {
  const { flashAttention, cache } = context.setup;
  const { streams } = cache;
  const { tokens, text } = context;
  const owner = context.cacheOwner(layer);
  const lengths = headLengths(text, owner);
  const kvHeads = text.kvHeads[owner] ?? 0;
  const cells = context.cells(layer);
  const [width, heads] = current.shape;
  const share = view(
    current,
    [width, heads, tokens / streams, streams],
    [current.strides[1], current.strides[2], current.strides[3] / streams],
  );
  const length = latentValues === null ? lengths.value : (value?.shape[0] ?? lengths.value);
  const keyWindow = view(context.cache('k', owner), [lengths.key, kvHeads, cells, streams]);
  const keys = permute(keyWindow, [0, 2, 1, 3]);
  const valueShape =
    latentValues === null && !flashAttention
      ? [cells, kvHeads, length, streams]
      : [length, kvHeads, cells, streams];
  const held = latentValues === null ? context.cache('v', owner) : keyWindow;
  const kind = isSliding(text, layer) ? 'window' : 'full';
  const type = flashAttention ? 'f16' : 'f32';
  return {
    query: permute(share, [0, 2, 1, 3]),
    keys,
    values: permute(view(held, valueShape), [0, 2, 1, 3]),
    mask: context.shared(`mask ${kind}`, type, cells, tokens / streams, 1, streams),
    length,
    heads,
  };
}

/** Softmax of the scores times V: fused with flash attention, step by step without (`build_attn_mha`). */
function mix(
  context: TextContext,
  input: AttentionInput,
  current: GraphTensor,
  value: GraphTensor | null,
): GraphTensor {
  const parts = operands(context, input, current, value);
  const mixed = context.setup.flashAttention
    ? fused(context, input, parts)
    : stepByStep(context, input, parts);
  context.graph.expand(mixed);
  return mixed;
}

function fused(
  context: TextContext,
  { latentValues = null, sinks = null }: AttentionInput,
  { query, keys, values, mask, length, heads }: Operands,
): GraphTensor {
  const { cache, keyType, valueType } = context.setup;
  const { streams } = cache;
  const { tokens } = context;
  // Flash attention reads no F32 cache: it is turned into F16 first.
  const inF16 = (part: GraphTensor, type: string) =>
    type === 'f32' ? compute('CPY', part.shape, [part], 'f16') : part;
  let mixed = compute(
    'FLASH_ATTN_EXT',
    [length, heads, tokens / streams, streams],
    [
      query,
      inF16(keys, keyType),
      inF16(values, latentValues === null ? valueType : keyType),
      mask,
      sinks,
    ],
  );
  if (latentValues !== null) {
    const expanded = matrixProduct(latentValues, permute(mixed, [0, 2, 1, 3]));
    mixed = context.contiguous(permute(expanded, [0, 2, 1, 3]));
  }
  return reshape(mixed, mixed.shape[0] * mixed.shape[1], tokens);
}

function stepByStep(
  context: TextContext,
  { latentValues = null, sinks = null }: AttentionInput,
  { query, keys, values, mask, length, heads }: Operands,
): GraphTensor {
  const { streams } = context.setup.cache;
  const { tokens } = context;
  const shares = elementwise('SOFT_MAX', matrixProduct(keys, query), mask, sinks);
  const columns = latentValues === null ? values : context.contiguous(transpose(values));
  const shape = [length, tokens / streams, heads, streams];
  const product = compute('MUL_MAT', shape, [columns, shares]);
  const expanded = latentValues === null ? product : matrixProduct(latentValues, product);
  const [width] = expanded.shape;
  return compute('CONT', [width * heads, tokens], [permute(expanded, [0, 2, 1, 3])]);
}
