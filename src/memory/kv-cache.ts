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

type LayerCache = { readonly bytes: number; readonly kind: 'full' | 'window' | 'state' | 'none' };

/** What one layer keeps: rows of K and V, the state of a recurrent layer, or nothing of its own. */
function layerCache(
  text: TextModel,
  layer: number,
  settings: CacheSettings,
  { streams, cells, windowCells }: CacheShape,
): LayerCache {
  const state = recurrentState(text, layer);
  if (state !== null) {
    return { kind: 'state', bytes: settings.slots * F32 * (state.convolution + state.state) };
  }
  const heads = text.kvHeads[layer] ?? 0;
  if (heads === 0 || layer >= cachingLayers(text)) return { kind: 'none', bytes: 0 };
  const sliding = isSliding(text, layer);
  const { key } = headLengths(text, layer);
  const keyBytes = heads * key * kvElementBytes(settings.kvType);
  // Latent attention keeps no V: it is part of the compressed K.
  const valueBytes = hasLatentCache(text)
    ? 0
    : valueWidth(text, layer, settings) * kvElementBytes(settings.kvTypeV ?? settings.kvType);
  return {
    kind: sliding ? 'window' : 'full',
    bytes: streams * (sliding ? windowCells : cells) * (keyBytes + valueBytes),
  };
}

/** Without flash attention V lies transposed, and each layer takes the width of the widest. */
function valueWidth(text: TextModel, layer: number, settings: CacheSettings): number {
  const width = (index: number) => (text.kvHeads[index] ?? 0) * headLengths(text, index).value;
  if (settings.flashAttention !== false) return width(layer);
  return Math.max(...text.kvHeads.map((_, index) => width(index)));
}

const F32 = 4;

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
  const shape = cacheShape(text, settings);
  const here = text.kvHeads.flatMap((_, layer) =>
    placement[layer] === gpu ? [{ layer, ...layerCache(text, layer, settings, shape) }] : [],
  );
  const bytes = here.reduce((total, layer) => total + layer.bytes, 0);
  const terms = (['full', 'window', 'state'] as const).flatMap((kind) => {
    const layers = here.filter((layer) => layer.kind === kind);
    return layers.length === 0 ? [] : [term(text, settings, kind, layers)];
  });
  return { bytes, formula: terms.join(' + ') || 'no layer here keeps a cache' };
}

function term(
  text: TextModel,
  settings: CacheSettings,
  kind: 'full' | 'window' | 'state',
  layers: readonly { readonly layer: number; readonly bytes: number }[],
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
