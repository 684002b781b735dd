import type { TextModel } from '../../contracts/model.ts';
import {
  cachingLayers,
  hasLatentCache,
  headLengths,
  isSliding,
  recurrentState,
  windowSize,
} from '../../layout/layer-kinds.ts';
import { sum } from '../../units.ts';
import type { PartBytes } from '../types.ts';
import { layersOfStage } from './settings.ts';
import { kvHeadsOfRank } from './weights.ts';

/** Tokens of a block of the cache (`--block-size`). */
const BLOCK = 16;
const F32 = 4;

/** Element types of vLLM's cache: that of the model, or `--kv-cache-dtype fp8`. */
export const VLLM_KV_TYPES = ['bf16', 'fp8'] as const;
export type VllmKvType = (typeof VLLM_KV_TYPES)[number];

type CacheSettings = {
  readonly contextPerSlot: number;
  readonly slots: number;
  readonly kvType: VllmKvType;
  /** Tokens of one step (`--max-num-batched-tokens`): a window keeps that many beside its own. */
  readonly batchedTokens: number;
  readonly ranks: number;
  readonly stages?: number;
};

/** Layers that keep their cache alike, and what one of them keeps. */
type LayerKind = {
  readonly window: boolean;
  readonly layers: number;
  /** Bytes of one block of one layer, on one GPU. */
  readonly page: number;
  readonly blockTokens: number;
  /** How `page` comes about. */
  readonly text: string;
};

/**
 * What one GPU needs so that `slots` sequences of full length fit at once. Layers that keep a window
 * and layers that keep everything draw blocks of one size from one pool, in groups with the same number
 * of layers each (`_get_kv_cache_groups_uniform_page_size` and `_max_memory_usage_bytes_from_groups` of
 * vllm/v1/core/kv_cache_utils.py, vllm/v1/kv_cache_interface.py); one block more is the pool's own.
 */
export function vllmKvCache(text: TextModel, settings: CacheSettings): PartBytes {
  const kinds = kindsOfLayers(text, settings);
  const state = recurrentBytes(text, settings);
  const alike = kinds.every(({ window }) => window === kinds[0]?.window);
  const cache = alike ? uniform(text, kinds, settings) : grouped(text, samePage(kinds), settings);
  const formula = [cache.formula, state.formula].filter((part) => part !== '').join(' + ');
  const bytes = cache.bytes + state.bytes;
  const { stages = 1 } = settings;
  if (stages === 1) return { bytes, formula: formula || 'no layer keeps a cache' };
  const layers = layersOfStage(text.layers, stages);
  return {
    bytes: (bytes * layers) / text.layers,
    formula: `(${formula || '0'}) x ${layers} of ${text.layers} layers`,
  };
}

function kindsOfLayers(text: TextModel, { kvType, ranks }: CacheSettings): LayerKind[] {
  const element = kvType === 'fp8' ? 1 : 2;
  const latent = hasLatentCache(text);
  const found = new Map<string, LayerKind>();
  for (let layer = 0; layer < cachingLayers(text); layer++) {
    const heads = text.kvHeads[layer] ?? 0;
    if (heads === 0 || recurrentState(text, layer) !== null) continue;
    const { key, value } = headLengths(text, layer);
    // The compressed K of latent attention has one head, which every GPU keeps whole.
    const here = latent ? 1 : kvHeadsOfRank(heads, ranks);
    const page = BLOCK * here * (latent ? key : key + value) * element;
    const width = latent ? `${key}` : `${here} KV heads x (${key} + ${value})`;
    const window = keepsWindow(text, layer);
    const name = `${window} ${page}`;
    const layers = (found.get(name)?.layers ?? 0) + 1;
    const made = `${BLOCK} tokens x ${width} x ${element} B`;
    found.set(name, { window, layers, page, blockTokens: BLOCK, text: made });
  }
  return [...found.values()];
}

/** Llama 4's chunks are kept like full layers: vLLM turns its hybrid cache off for them. */
function keepsWindow(text: TextModel, layer: number): boolean {
  return text.arch !== 'llama4' && isSliding(text, layer);
}

/** Layers with smaller rows take more tokens into a block, so that all blocks have one size. */
function samePage(kinds: readonly LayerKind[]): LayerKind[] {
  const page = Math.max(0, ...kinds.map((kind) => kind.page));
  return kinds.map((kind) => {
    const times = page / kind.page;
    const blockTokens = Number.isInteger(times) ? BLOCK * times : BLOCK;
    return { ...kind, page, blockTokens };
  });
}

/** Blocks that one sequence of full length takes in one layer of this kind. */
function blocksOf(text: TextModel, kind: LayerKind, settings: CacheSettings): number {
  const { contextPerSlot, batchedTokens } = settings;
  if (!kind.window) return Math.ceil(contextPerSlot / kind.blockTokens);
  const kept = Math.min(windowSize(text) - 1 + batchedTokens, contextPerSlot);
  return Math.ceil(kept / kind.blockTokens) + 1;
}

function uniform(text: TextModel, kinds: readonly LayerKind[], settings: CacheSettings): PartBytes {
  const { slots } = settings;
  const terms = kinds.map((kind) => {
    const blocks = blocksOf(text, kind, settings) * slots + 1;
    const formula = `${blocks} blocks x ${kind.layers} layers x ${kind.text}`;
    return { bytes: blocks * kind.layers * kind.page, formula };
  });
  return {
    bytes: sum(terms.map(({ bytes }) => bytes)),
    formula: terms.map(({ formula }) => formula).join(' + '),
  };
}

function grouped(text: TextModel, kinds: readonly LayerKind[], settings: CacheSettings): PartBytes {
  const least = Math.min(...kinds.map(({ layers }) => layers));
  const most = Math.max(...kinds.map(({ layers }) => layers));
  // Nearly as many layers of each kind: filled up to one size instead of cut into many groups.
  const size = most < 1.5 * least ? most : least;
  const [widest] = [...kinds].sort((a, b) => a.blockTokens - b.blockTokens);
  const page = widest?.page ?? 0;
  const counts = kinds.map((kind) => ({
    groups: Math.ceil(kind.layers / size),
    blocks: blocksOf(text, kind, settings),
    window: kind.window,
  }));
  const perSequence = sum(counts.map(({ groups, blocks }) => groups * blocks));
  const blocks = perSequence * settings.slots + 1;
  const shape = counts
    .map((each) => `${each.groups} x ${each.blocks}${each.window ? ' windowed' : ''}`)
    .join(' + ');
  return {
    bytes: blocks * size * page,
    formula: `(${settings.slots} x (${shape}) + 1) blocks x ${size} layers of a group x ${widest?.text ?? ''}`,
  };
}

/** Recurrent state in F32, which is the most that vLLM keeps it in. */
function recurrentBytes(text: TextModel, { slots }: CacheSettings): PartBytes {
  const states = text.kvHeads.flatMap((_, layer) => recurrentState(text, layer) ?? []);
  const [first] = states;
  if (first === undefined) return { bytes: 0, formula: '' };
  const perSlot = sum(states.map(({ convolution, state }) => convolution + state));
  return {
    bytes: slots * perSlot * F32,
    formula: `${slots} slots x ${states.length} recurrent layers x ${perSlot / states.length} x ${F32} B`,
  };
}
