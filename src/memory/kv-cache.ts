import type { TextModel } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import { ggmlType } from '../gguf/types.ts';
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

/** Cells of one slot's stream: its context padded as llama.cpp pads it. */
export function cellsPerSlot(contextPerSlot: number): number {
  return roundUp(contextPerSlot, CELL_PADDING);
}

/** Bytes of one element of the cache; throws `usage.invalid` for a type the engine has not. */
function kvElementBytes(kvType: string): number {
  if (!(KV_TYPES as readonly string[]).includes(kvType)) {
    throw new MmdeployError('usage.invalid', `unknown KV cache type \`${kvType}\``, {
      hints: [`the engine takes ${KV_TYPES.join(', ')}`],
    });
  }
  const { blockSize, typeBytes } = ggmlType(kvType.toUpperCase());
  return typeBytes / blockSize;
}

/**
 * KV cache of the layers that `placement` puts on `gpu` (null: the CPU).
 * Formula of llama.cpp's `llama_kv_cache`: streams x cells x kvHeads x (keyLength + valueLength) x
 * bytes per element, for every layer.
 */
export function kvCache(
  text: TextModel,
  settings: Pick<LaunchSettings, 'contextPerSlot' | 'slots' | 'kvType'>,
  placement: LayerPlacement,
  gpu: number | null,
): PartBytes {
  const cells = cellsPerSlot(settings.contextPerSlot) * settings.slots;
  const here = text.kvHeads.filter((_, layer) => placement[layer] === gpu);
  const perToken = here.reduce(
    (total, heads) => total + layerBytes(text, heads, settings.kvType),
    0,
  );
  return {
    bytes: cells * perToken,
    formula:
      `${settings.slots} slots x ${cellsPerSlot(settings.contextPerSlot)} cells x ` +
      `${here.length} layers x ${here[0] ?? 0} KV heads x (${text.keyLength} + ${text.valueLength}) ` +
      `x ${kvElementBytes(settings.kvType)} B (${settings.kvType})`,
  };
}

function layerBytes(text: TextModel, heads: number, kvType: string): number {
  return heads * (text.keyLength + text.valueLength) * kvElementBytes(kvType);
}
