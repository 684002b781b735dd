import type { EncoderModel, TextModel } from '../../contracts/model.ts';
import { feedForwardOf, hasExperts, hasLatentCache } from '../../layout/layer-kinds.ts';
import { hyperNumber } from '../../layout/hyper.ts';
import { GROUP } from '../../memory/vllm/formats.ts';
import type { VllmScheme } from '../../memory/vllm/formats.ts';
import { paddedVocabulary } from '../../memory/vllm/weights.ts';

/**
 * Why vLLM cannot split this language model over `ranks` GPUs; null when it can. Heads, vocabulary,
 * feed-forward and experts are divided evenly (`divide` in vllm/distributed/utils.py); KV heads are
 * divided, or repeated where there are fewer of them; groups of a four-bit format stay whole.
 */
export function parallelFault(text: TextModel, scheme: VllmScheme, ranks: number): string | null {
  if (ranks === 1) return null;
  const divides = (what: string, size: number): string | null =>
    size % ranks === 0 ? null : `${size} ${what} cannot be split over ${ranks} GPUs`;
  const faults = [
    divides('attention heads', text.heads),
    kvFault(text, ranks),
    divides('rows of the vocabulary', paddedVocabulary(text)),
    ...widthsOf(text).map((width) => divides('columns of the feed-forward', width)),
    ...(scheme === 'awq' || scheme === 'w4a16' ? groupFaults(text, ranks) : []),
  ];
  return faults.find((fault) => fault !== null) ?? null;
}

function kvFault(text: TextModel, ranks: number): string | null {
  if (hasLatentCache(text)) return null;
  const odd = text.kvHeads.find(
    (heads) => heads > 0 && (heads >= ranks ? heads % ranks !== 0 : ranks % heads !== 0),
  );
  return odd === undefined
    ? null
    : `${odd} KV heads can neither be split nor repeated over ${ranks} GPUs`;
}

/** Feed-forward widths that occur, dense and of the experts. */
function widthsOf(text: TextModel): number[] {
  const widths = new Set<number>();
  for (let layer = 0; layer < text.layers; layer++) {
    const expert = hasExperts(text, layer) ? expertWidth(text) : undefined;
    widths.add(expert ?? feedForwardOf(text, layer));
  }
  const shared = hyperNumber(text, 'expert_shared_feed_forward_length') ?? 0;
  if (shared > 0) widths.add(shared);
  return [...widths];
}

function expertWidth(text: TextModel): number | undefined {
  return hyperNumber(text, 'expert_feed_forward_length');
}

/** Inputs of the matrices that are split by input: a group of 128 of them has one scale. */
function groupFaults(text: TextModel, ranks: number): (string | null)[] {
  const inputs = [...widthsOf(text), text.heads * text.valueLength];
  return inputs.map((width) =>
    width % (ranks * GROUP) === 0 || width % GROUP !== 0
      ? null
      : `${width} inputs in groups of ${GROUP} cannot be split over ${ranks} GPUs: give \`--quant FP8\``,
  );
}

/**
 * Towers that vLLM can keep whole on every GPU and give different images (`supports_encoder_tp_data` of
 * the model's class; vLLM docs/configuration/optimization.md, batch-level DP).
 */
const WHOLE_ON_EACH: ReadonlySet<string> = new Set([
  'glm4v',
  'internvl',
  'kimivl',
  'llama4',
  'qwen2vl_merger',
  'qwen2.5vl_merger',
  'qwen3vl_merger',
  'resampler',
]);

export type EncoderPlacement = {
  readonly split: boolean;
  /** It has to be told so: `--mm-encoder-tp-mode data`. */
  readonly whole: boolean;
  readonly note: string | null;
  readonly fault: string | null;
};

/**
 * How the vision tower can lie on `ranks` GPUs, best first. Whole on each, every GPU encodes images of its own
 * and exchanges nothing (vLLM docs/configuration/optimization.md, batch-level DP); split, it takes less memory.
 */
export function encoderPlacements(
  encoder: EncoderModel | null,
  ranks: number,
): readonly [EncoderPlacement, ...EncoderPlacement[]] {
  const plain = { split: false, whole: false, note: null, fault: null };
  // A tower whose tensors are not known cannot be counted in parts.
  if (encoder === null || ranks === 1 || encoder.tensors.length === 1) return [plain];
  const odd = oddPart(encoder, ranks);
  const whole = { ...plain, whole: true };
  const mayBeWhole = WHOLE_ON_EACH.has(encoder.projectorType);
  if (odd === null) {
    const split = { ...plain, split: true };
    return mayBeWhole ? [whole, split] : [split];
  }
  const said = `${odd} of the vision tower cannot be split over ${ranks} GPUs`;
  return [
    mayBeWhole ? { ...whole, note: `${said}: it lies whole on each` } : { ...plain, fault: said },
  ];
}

function oddPart({ heads, feedForward }: EncoderModel, ranks: number): string | null {
  if (heads % ranks !== 0) return `${heads} attention heads`;
  return feedForward % ranks === 0 ? null : `${feedForward} columns of the feed-forward`;
}
