import type { TextModel } from '../contracts/model.ts';
import { cellsPerSlot } from './kv-cache.ts';
import type { LaunchSettings, PartBytes } from './types.ts';

/** Where a compute buffer lies: it decides which activations are alive in it at once. */
export type ComputePlace =
  /** The only GPU, holding every layer. */
  | 'gpu'
  /** A GPU holding some of the layers while the CPU holds the others. */
  | 'gpu-partial'
  /** The first of several GPUs. */
  | 'gpu-first'
  /** Any further one. */
  | 'gpu-next'
  /** The host beside one GPU, beside several, or computing layers itself. */
  | 'host'
  | 'host-multi'
  | 'host-layers';

type Activations = {
  /** Feed-forward activations [feedForward, ubatch] alive at once. */
  readonly feedForward: number;
  /** Embedding-wide activations [embedding, ubatch] alive at once. */
  readonly embedding: number;
  /** Copies of the attention mask: pipeline parallelism keeps one for each of its 4 graph copies. */
  readonly masks: number;
};

/**
 * What llama.cpp's graph allocator keeps alive at the widest point of a LLaMA-like block (gate, up and
 * their product at once, beside residuals and inputs). Read off `sched_reserve: … compute buffer size`
 * of llama-server 0.7.0 (build 11669) on LLaVA-1.5-7B, InternVL2-26B and Qwen2.5-VL-7B with contexts of
 * 4k-32k, 1-4 slots, micro-batches of 256-1024 and 1-3 devices: each of the figures is reproduced to
 * 0.1 MiB (test/unit/memory/compute.test.ts holds them).
 */
const ACTIVATIONS: Readonly<Record<ComputePlace, Activations>> = {
  gpu: { feedForward: 3, embedding: 4, masks: 1 },
  'gpu-partial': { feedForward: 3, embedding: 2, masks: 1 },
  'gpu-first': { feedForward: 3, embedding: 16, masks: 4 },
  'gpu-next': { feedForward: 3, embedding: 11, masks: 4 },
  host: { feedForward: 0, embedding: 4, masks: 1 },
  'host-multi': { feedForward: 0, embedding: 10, masks: 4 },
  'host-layers': { feedForward: 3, embedding: 5, masks: 1 },
};

const F32 = 4;
const F16 = 2;

/**
 * Compute buffer in bytes: the largest of the feed-forward, attention and output phases of one
 * micro-batch, and the inputs. Without flash attention the attention scores of every head are held.
 */
export function computeBuffer(
  text: TextModel,
  settings: LaunchSettings,
  place: ComputePlace,
): PartBytes {
  const ub = settings.ubatch;
  const alive = ACTIVATIONS[place];
  const cells = cellsPerSlot(settings.contextPerSlot);
  // Each stream attends to its own cells only, so the mask covers one slot's context.
  const maskBytes = cells * ub * (settings.flashAttention ? F16 : F32);
  const row = ub * F32;
  const feedForward =
    row * (alive.feedForward * text.feedForward + alive.embedding * text.embedding) +
    alive.masks * maskBytes;
  const attention = attentionPhase(text, settings, place, maskBytes, cells);
  const output = place.startsWith('gpu')
    ? F32 * settings.slots * text.vocabulary + row * text.embedding
    : 0;
  const inputs = inputBytes(ub, alive.masks);
  const phase =
    feedForward >= attention
      ? `${ub} x 4 B x (${alive.feedForward} x ${text.feedForward} + ${alive.embedding} x ` +
        `${text.embedding}) + ${alive.masks} x mask ${cells} x ${ub} x ${settings.flashAttention ? F16 : F32} B`
      : `attention scores ${cells} x ${ub} x 4 B x ${text.heads} heads + mask + Q, K, V`;
  return {
    bytes: Math.max(feedForward, attention, output) + inputs,
    formula: `${phase} + inputs`,
  };
}

/** Scores, mask, Q, K and V of one block; only wider than the feed-forward phase without flash attention. */
function attentionPhase(
  text: TextModel,
  settings: LaunchSettings,
  place: ComputePlace,
  maskBytes: number,
  cells: number,
): number {
  if (settings.flashAttention) return 0;
  const row = settings.ubatch * F32;
  const kvWidth = Math.max(...text.kvHeads) * text.keyLength;
  if (place === 'host' || place === 'host-multi') {
    return row * (4 * text.embedding + 2 * kvWidth) + maskBytes;
  }
  return row * (cells * text.heads + 5 * text.embedding + 2 * kvWidth) + maskBytes;
}

/** Token ids and positions (i32) and the two lists of KV cells to write (i64) of a micro-batch. */
function inputBytes(ubatch: number, copies: number): number {
  return copies * ubatch * (4 + 4 + 8 + 8);
}
