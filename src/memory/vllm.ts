import type { Basis } from '../contracts/basis.ts';
import type { EncoderModel, ModelDescription, TextModel } from '../contracts/model.ts';
import type { DeviceMemory, MemoryItem, Part } from '../contracts/plan.ts';
import { projectorTensors } from '../layout/projector-file.ts';
import { MIB, roundUp, sum } from '../units.ts';
import type { DeviceInput } from './types.ts';

/** vLLM's KV block in tokens (`--block-size`). */
const BLOCK_TOKENS = 16;
/** Tokens of the profile run (`--max-num-batched-tokens` of an online server). */
const BATCHED_TOKENS = 2048;
const BF16 = 2;
const F32 = 4;
/** Steps of Whisper's encoder. */
const WHISPER_POSITIONS = 1500;
/** CUDA context, cuBLAS and CUDA graphs; what vLLM itself calls non-torch memory. */
const RUNTIME_BYTES = 1024 * MIB;

/**
 * What vLLM needs of one GPU for this many sequences of this length, in BF16: its rule is
 * total x gpu-memory-utilization - weights - peak activation - non-torch = KV cache, so the items here
 * are the least that must fit under its share of the card. Activations are assumed, not measured.
 */
export function vllmMemory(
  model: ModelDescription,
  text: TextModel,
  settings: { readonly contextPerSlot: number; readonly slots: number },
  device: DeviceInput,
): DeviceMemory {
  const basis: Basis = model.basis;
  const parameters = sum(text.tensors.map(({ shape }) => elements(shape)));
  const kvPerToken = sum(text.kvHeads) * (text.keyLength + text.valueLength) * BF16;
  const tokens = roundUp(settings.contextPerSlot, BLOCK_TOKENS) * settings.slots;
  const activations =
    BATCHED_TOKENS * BF16 * (2 * text.feedForward + 4 * text.embedding) +
    settings.slots * text.vocabulary * F32;
  const items = [
    item('weights', basis, parameters * BF16, `${parameters} parameters x 2 B (BF16)`),
    item('kv-cache', basis, kvPerToken * tokens, `${tokens} tokens x ${kvPerToken} B (BF16)`),
    item(
      'compute',
      'assumed',
      activations,
      `${BATCHED_TOKENS} tokens x 2 B x (2 x ${text.feedForward} + 4 x ${text.embedding}) + logits`,
    ),
    ...encoderItems(model, basis),
    item('runtime', 'assumed', RUNTIME_BYTES, 'CUDA context, cuBLAS and CUDA graphs: 1 GiB'),
  ];
  const total = sum(items.map(({ bytes }) => bytes));
  return {
    id: device.id,
    name: device.name,
    capacityBytes: device.capacityBytes,
    freeBytes: device.freeBytes,
    items,
    afterLoadBytes: total,
    // vLLM profiles with its largest image at start, so nothing grows afterwards.
    peakBytes: total,
  };
}

function encoderItems({ encoder }: ModelDescription, basis: Basis): MemoryItem[] {
  if (encoder === null) return [];
  const parameters = sum(projectorTensors(encoder).map(({ shape }) => elements(shape)));
  const positions = positionsOf(encoder);
  const compute = positions * BF16 * (3 * encoder.feedForward + 4 * encoder.embedding);
  return [
    item('encoder-weights', basis, parameters * BF16, `${parameters} parameters x 2 B (BF16)`),
    item(
      'encoder-compute',
      'assumed',
      compute,
      `${positions} positions x 2 B x (3 x ${encoder.feedForward} + 4 x ${encoder.embedding})`,
    ),
  ];
}

/** Positions of one picture, or of the 30 s that a tower for audio encodes at once. */
function positionsOf({ imageSize, patchSize, melBins }: EncoderModel): number {
  return melBins === undefined ? Math.floor(imageSize / patchSize) ** 2 : WHISPER_POSITIONS;
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

function item(part: Part, basis: Basis, bytes: number, formula: string): MemoryItem {
  return { part, bytes: Math.round(bytes), basis, formula };
}
