import type { TextModel } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import { ggmlType } from '../gguf/types.ts';
import {
  cachingLayers,
  hasLatentCache,
  headLengths,
  isSliding,
  recurrentState,
  windowSize,
} from '../layout/layer-kinds.ts';
import { roundUp } from '../units.ts';
import type { LayerPlacement } from './split.ts';
import type { LaunchSettings, PartBytes } from './types.ts';

/** llama.cpp pads each stream's context to this many cells (`GGML_PAD(n_ctx_seq, 256)`). */
const CELL_PADDING = 256;

/** Types that `--cache-type-k` and `--cache-type-v` take. */
export const KV_TYPES = [
  'f32',
  'f16',
  'bf16',
  'q8_0',
  'q5_1',
  'q5_0',
  'q4_1',
  'q4_0',
  'iq4_nl',
] as const;

type CacheSettings = Pick<LaunchSettings, 'contextPerSlot' | 'slots' | 'kvType'> &
  Partial<Pick<LaunchSettings, 'ubatch' | 'unifiedKv' | 'swaFull' | 'kvTypeV' | 'flashAttention'>>;

/** Streams of the cache and the cells of each; one stream is shared by all slots of a unified cache. */
export type CacheShape = {
  readonly streams: number;
  readonly cells: number;
  /** Cells of a layer that sees only a window. */
  readonly windowCells: number;
};

/** Cells of one slot's stream: its context padded as llama.cpp pads it. */
function cellsPerSlot(contextPerSlot: number): number {
  return roundUp(contextPerSlot, CELL_PADDING);
}

/**
 * Cells per stream (`llama_kv_cache_iswa`): a layer that looks back `n` tokens keeps n for each sequence of
 * its stream and one micro-batch, rounded up to 256, but never more than the context.
 */
export function cacheShape(text: TextModel, settings: CacheSettings): CacheShape {
  const unified = settings.unifiedKv === true;
  const streams = unified ? 1 : settings.slots;
  const cells = cellsPerSlot(
    unified ? settings.contextPerSlot * settings.slots : settings.contextPerSlot,
  );
  const window = windowSize(text) * (unified ? settings.slots : 1) + (settings.ubatch ?? 0);
  const windowCells =
    settings.swaFull === true ? cells : roundUp(Math.min(cells, window), CELL_PADDING);
  return { streams, cells, windowCells };
}

/** Bytes of one element of the cache; throws `usage.invalid` for a type the engine has not. */
export function kvElementBytes(kvType: string): number {
  if (!(KV_TYPES as readonly string[]).includes(kvType)) {
    throw new MmdeployError('usage.invalid', `unknown KV cache type \`${kvType}\``, {
      hints: [`the engine takes ${KV_TYPES.join(', ')}`],
    });
  }
  const { blockSize, typeBytes } = ggmlType(kvType.toUpperCase());
  return typeBytes / blockSize;
}

/** What a layer keeps, before any cache type or context is chosen. */
type Kept =
  | { readonly kind: 'none' }
  /** Elements of recurrent state for each slot. */
  | { readonly kind: 'state'; readonly elements: number }
  /** Elements of K and of V for each cell. */
  | { readonly kind: 'full' | 'window'; readonly key: number; readonly value: number };

/** A search asks for the cache of the same model at many contexts. */
const KEPT = new WeakMap<TextModel, readonly Kept[]>();

function keptBy(text: TextModel): readonly Kept[] {
  const known = KEPT.get(text);
  if (known !== undefined) return known;
  const owners = cachingLayers(text);
  // Latent attention keeps no V: it is part of the compressed K.
  const latent = hasLatentCache(text);
  const made = text.kvHeads.map((heads, layer): Kept => {
    const state = recurrentState(text, layer);
    if (state !== null) return { kind: 'state', elements: state.convolution + state.state };
    if (heads === 0 || layer >= owners) return { kind: 'none' };
    const { key, value } = headLengths(text, layer);
    return {
      kind: isSliding(text, layer) ? 'window' : 'full',
      ...{ key: heads * key, value: latent ? 0 : heads * value },
    };
  });
  KEPT.set(text, made);
  return made;
}

/** Bytes of what a layer keeps: rows of K and V, the state of a recurrent layer, or nothing of its own. */
type BytesOf = (kept: Kept) => number;

function bytesFor(text: TextModel, settings: CacheSettings): BytesOf {
  const { streams, cells, windowCells } = cacheShape(text, settings);
  const keyBytes = kvElementBytes(settings.kvType);
  const valueBytes = kvElementBytes(settings.kvTypeV ?? settings.kvType);
  const widest = settings.flashAttention === false && !hasLatentCache(text) ? widestValue(text) : 0;
  return (kept) => {
    if (kept.kind === 'none') return 0;
    if (kept.kind === 'state') return settings.slots * F32 * kept.elements;
    const row = kept.key * keyBytes + (widest === 0 ? kept.value : widest) * valueBytes;
    return streams * (kept.kind === 'window' ? windowCells : cells) * row;
  };
}

/** Without flash attention V lies transposed, and each layer takes the width of the widest. */
function widestValue(text: TextModel): number {
  return Math.max(...text.kvHeads.map((heads, layer) => heads * headLengths(text, layer).value));
}

const F32 = 4;

/** Bytes of `kvCache` alone. */
export function kvCacheBytes(
  text: TextModel,
  settings: CacheSettings,
  placement: LayerPlacement,
  gpu: number | null,
): number {
  const bytesOf = bytesFor(text, settings);
  let bytes = 0;
  for (const [layer, kept] of keptBy(text).entries()) {
    if (placement[layer] === gpu) bytes += bytesOf(kept);
  }
  return bytes;
}

/**
 * KV cache and recurrent state of the layers that `placement` puts on `gpu` (null: the CPU), as
 * `llama_kv_cache`, `llama_kv_cache_iswa` and `llama_memory_recurrent` allocate them.
 */
export function kvCache(
  text: TextModel,
  settings: CacheSettings,
  placement: LayerPlacement,
  gpu: number | null,
): PartBytes {
  const here = keptBy(text).flatMap(({ kind }, layer) =>
    placement[layer] === gpu ? [{ layer, kind }] : [],
  );
  const terms = (['full', 'window', 'state'] as const).flatMap((kind) => {
    const layers = here.filter((layer) => layer.kind === kind);
    return layers.length === 0 ? [] : [term(text, settings, kind, layers)];
  });
  return {
    bytes: kvCacheBytes(text, settings, placement, gpu),
    formula: terms.join(' + ') || 'no layer here keeps a cache',
  };
}

function term(
  text: TextModel,
  settings: CacheSettings,
  kind: 'full' | 'window' | 'state',
  layers: readonly { readonly layer: number }[],
): string {
  const [first] = layers;
  if (first === undefined) return '';
  if (kind === 'state') {
    const state = recurrentState(text, first.layer);
    const elements = `${state?.convolution ?? 0} + ${state?.state ?? 0}`;
    return `${settings.slots} slots x ${layers.length} recurrent layers x (${elements}) x ${F32} B`;
  }
  const { streams, cells, windowCells } = cacheShape(text, settings);
  const { key, value } = headLengths(text, first.layer);
  const widths = hasLatentCache(text) ? `${key}` : `(${key} + ${value})`;
  const types = settings.kvTypeV === undefined || settings.kvTypeV === settings.kvType;
  const element = types
    ? `${kvElementBytes(settings.kvType)} B (${settings.kvType})`
    : `(${settings.kvType}, ${settings.kvTypeV})`;
  return (
    `${streams} ${settings.unifiedKv === true ? 'shared stream' : 'slots'} x ` +
    `${kind === 'window' ? windowCells : cells} cells x ${layers.length} ` +
    `${kind === 'window' ? 'windowed ' : ''}layers x ${text.kvHeads[first.layer] ?? 0} KV heads x ` +
    `${widths} x ${element}`
  );
}
