import type { ModelDescription, TokenRuleUse } from '../../contracts/model.ts';
import { roundUp } from '../../units.ts';
import { LEAST_CAP, TEXT_RESERVE, imageTokensOf } from '../launch.ts';
import { audioOf, imageTokens, videoOf } from '../media.ts';
import type { Wishes } from '../types.ts';

/** What vLLM is to be told about images, and why. */
export type VllmImages = {
  /** null for a model that does not see. */
  readonly perPrompt: number | null;
  /** Tokens of the largest image that gets through, without wrappers. */
  readonly largest: number;
  /** Size in pixels that vLLM reserves for, where nothing caps what its processor makes; null: the largest. */
  readonly size: { readonly width: number; readonly height: number } | null;
  readonly imageMaxTokens: number | null;
  readonly processorKwargs: Readonly<Record<string, number>> | null;
  readonly notes: readonly string[];
  readonly fault: string | null;
};

type Cap = { readonly tokens: number; readonly kwargs: Readonly<Record<string, number>> };

/**
 * The images of a prompt have to fit into its context with the text: vLLM refuses longer requests, and
 * it reserves memory for the largest image that its processor lets through. Where the processor takes a
 * cap, images are made smaller instead.
 */
export function vllmImages(
  model: ModelDescription,
  wishes: Wishes,
  contextPerSlot: number,
): VllmImages {
  const { workload, imageMaxTokens: asked } = wishes;
  const none = { size: null, imageMaxTokens: null, processorKwargs: null, notes: [], fault: null };
  if (!model.modalities.includes('image')) return { ...none, perPrompt: null, largest: 0 };
  const perPrompt = Math.max(1, workload?.images?.count ?? 1);
  const use = model.imageTokens.vllm;
  const tokens = imageTokensOf(model, 'vllm');
  if (use === undefined || tokens === null) return { ...none, perPrompt, largest: 0 };
  const { largest, smallest, wrapper } = tokens;
  if (smallest + wrapper > contextPerSlot) {
    const fault = `one image is ${smallest + wrapper} tokens, and a sequence holds ${contextPerSlot}: give \`--context ${roundUp(smallest + wrapper + TEXT_RESERVE, 1024)}\``;
    return { ...none, perPrompt, largest, fault };
  }
  const media = (audioOf(model, 'vllm', workload)?.tokens ?? 0) + videoTokens(model, wishes);
  const text = workload === null ? TEXT_RESERVE : workload.textTokens + workload.outputTokens;
  const kept = text + media;
  const room = Math.floor((contextPerSlot - kept) / perPrompt) - wrapper;
  if (largest <= Math.min(room, asked ?? Infinity)) return { ...none, perPrompt, largest };
  const cap = capOf(model, use, Math.min(room, asked ?? Infinity));
  const said = `an image can be ${largest} tokens, and a sequence of ${contextPerSlot} has room for ${Math.max(room, 0)}`;
  const stated = cap === null && asked === null ? statedSize(model, wishes, room) : null;
  if (stated !== null) {
    const { width, height, tokens: most } = stated;
    const notes = [
      `${said}: vLLM refuses images of more tokens than ${width}x${height} pixels take`,
    ];
    return { ...none, ...{ perPrompt, notes }, largest: most, size: { width, height } };
  }
  if (cap === null) {
    const notes = largest > room ? [`${said}: vLLM refuses larger requests`] : [];
    return { ...none, perPrompt, largest, notes, fault: asked === null ? null : NO_CAP };
  }
  const notes = largest > room ? [`${said}: images are capped at ${cap.tokens}`] : [];
  return {
    ...none,
    ...{ perPrompt, notes },
    largest: cap.tokens,
    imageMaxTokens: cap.tokens,
    processorKwargs: cap.kwargs,
  };
}

/**
 * The images that the workload states, where they fit: vLLM then reserves for these, and refuses what takes more
 * than its encoder cache, instead of reserving for an image that no sequence holds (`--limit-mm-per-prompt` with
 * sizes, vLLM docs/configuration/conserving_memory.md).
 */
function statedSize(model: ModelDescription, { workload }: Wishes, room: number) {
  const images = workload?.images ?? null;
  if (images === null) return null;
  const { width, height } = images;
  const counted = imageTokens(model, 'vllm', images, null) ?? Infinity;
  const tokens = counted - (model.imageTokens.vllm?.wrapper.tokens ?? 0);
  return tokens <= room ? { width, height, tokens } : null;
}

function videoTokens(model: ModelDescription, wishes: Wishes): number {
  return videoOf(model, 'vllm', wishes)?.tokens ?? 0;
}

const NO_CAP = 'vLLM takes no such cap on the images of this model: leave `--image-max-tokens` out';
/** Projectors of the processors that take `max_pixels`. */
const QWEN = /^qwen[\d.]+vl_merger$/;

/**
 * The cap in the words of the model's processor: `max_pixels` of the Qwen processors, `max_dynamic_patch`
 * of InternVL (vLLM docs/configuration/conserving_memory.md). null where it knows no cap, or none so low.
 */
function capOf(
  { encoder }: ModelDescription,
  { rule, params }: TokenRuleUse,
  tokens: number,
): Cap | null {
  if (tokens < LEAST_CAP) return null;
  const number = (name: string): number => {
    const value = params[name];
    return typeof value === 'number' ? value : 0;
  };
  if (rule === 'smart-resize' && QWEN.test(encoder?.projectorType ?? '')) {
    return { tokens, kwargs: { max_pixels: tokens * number('factor') ** 2 } };
  }
  const perTile = number('tokensPerTile');
  if (rule !== 'internvl-aspect' || perTile === 0) return null;
  const thumbnail = params['thumbnail'] === true ? 1 : 0;
  const fitting = Math.floor(tokens / perTile);
  if (fitting < 1) return null;
  // One tile needs no thumbnail beside it.
  const tiles = Math.min(Math.max(1, fitting - thumbnail), number('maxTiles'));
  const most = tiles === 1 ? 1 : tiles + thumbnail;
  return { tokens: most * perTile, kwargs: { max_dynamic_patch: tiles } };
}
