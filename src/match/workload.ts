import type { EngineName } from '../contracts/basis.ts';
import type { ModelDescription, TextModel } from '../contracts/model.ts';
import { audioOf, imageTokens, videoOf } from './media.ts';
import type { Wishes } from './types.ts';

/** Context in tokens that a plan holds when nothing else is asked for. */
const DEFAULT_CONTEXT = 4096;

/** Tokens one request of the workload needs: its text, its media and its answer. */
function workloadTokens(model: ModelDescription, engine: EngineName, wishes: Wishes): number {
  const { workload } = wishes;
  if (workload === null) return 0;
  const { images } = workload;
  const perImage =
    images === null ? 0 : (imageTokens(model, engine, images, wishes.imageMaxTokens) ?? 0);
  const audio = audioOf(model, engine, workload)?.tokens ?? 0;
  const video = videoOf(model, engine, wishes)?.tokens ?? 0;
  const text = workload.textTokens + workload.outputTokens;
  return text + perImage * (images?.count ?? 0) + audio + video;
}

/** Tokens of the largest picture of the workload, without wrappers; 0 where none is known. */
export function workloadImageTokens(model: ModelDescription, { workload }: Wishes): number {
  const use = model.imageTokens['llama.cpp'];
  if (use === undefined || workload === null) return 0;
  const pictures = [workload.images, workload.video].filter((size) => size !== null);
  const tokens = pictures.map((size) => imageTokens(model, 'llama.cpp', size, null) ?? 0);
  return Math.max(0, ...tokens.map((each) => each - use.wrapper.tokens));
}

/** Slots to start from: one for each user at the same time, and what `--require` asks for. */
export function requiredSlots({ slots, workload, minimum }: Wishes): number {
  return slots ?? Math.max(workload?.users ?? 1, minimum?.slots ?? 1);
}

/**
 * The smallest context per slot that holds the workload and `--require`: at least 4096 tokens, or the
 * model's own maximum. Engines count the same image differently.
 */
export function requiredContext(
  model: ModelDescription,
  text: TextModel,
  wishes: Wishes,
  engine: EngineName = 'llama.cpp',
): number {
  // A requirement beyond what the model was trained for is not met by pretending.
  const required = wishes.minimum?.contextPerSlot ?? DEFAULT_CONTEXT;
  const floor = Math.min(Math.max(DEFAULT_CONTEXT, required), text.contextMax);
  return Math.max(floor, workloadTokens(model, engine, wishes));
}
