import type { EngineName } from '../contracts/basis.ts';
import type { ModelDescription, TextModel } from '../contracts/model.ts';
import { findTokenRule } from '../tokens/rules/index.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../tokens/settings.ts';
import type { Wishes } from './types.ts';

/** Context in tokens that a plan holds when nothing else is asked for. */
const DEFAULT_CONTEXT = 4096;

/** Tokens of one image of this size with its wrappers, or null when the model's rule is not known. */
function imageTokens(
  model: ModelDescription,
  engine: EngineName,
  size: { readonly width: number; readonly height: number },
  imageMaxTokens: number | null,
): number | null {
  const use = model.imageTokens[engine];
  const rule = use === undefined ? null : findTokenRule(use.rule);
  if (use === undefined || rule === null) return null;
  const { tokens } = rule
    .bind(use.params)
    .count(size, { ...DEFAULT_TOKEN_SETTINGS, imageMaxTokens });
  return tokens + use.wrapper.tokens;
}

/** Tokens one request of the workload needs: its text, its images and its answer. */
function workloadTokens(model: ModelDescription, wishes: Wishes): number {
  const { workload } = wishes;
  if (workload === null) return 0;
  const perImage =
    workload.images === null
      ? 0
      : (imageTokens(model, 'llama.cpp', workload.images, wishes.imageMaxTokens) ?? 0);
  return workload.textTokens + workload.outputTokens + perImage * (workload.images?.count ?? 0);
}

/** Tokens of one image of the workload, without wrappers; 0 where none is known. */
export function workloadImageTokens(model: ModelDescription, { workload }: Wishes): number {
  const use = model.imageTokens['llama.cpp'];
  if (use === undefined || workload === null || workload.images === null) return 0;
  const tokens = imageTokens(model, 'llama.cpp', workload.images, null) ?? 0;
  return Math.max(0, tokens - use.wrapper.tokens);
}

/** Slots to start from: one for each user at the same time, and what `--require` asks for. */
export function requiredSlots({ slots, workload, minimum }: Wishes): number {
  return slots ?? Math.max(workload?.users ?? 1, minimum?.slots ?? 1);
}

/**
 * The smallest context per slot that holds the workload and `--require`: at least 4096 tokens, or the
 * model's own maximum.
 */
export function requiredContext(model: ModelDescription, text: TextModel, wishes: Wishes): number {
  // A requirement beyond what the model was trained for is not met by pretending.
  const required = wishes.minimum?.contextPerSlot ?? DEFAULT_CONTEXT;
  const floor = Math.min(Math.max(DEFAULT_CONTEXT, required), text.contextMax);
  return Math.max(floor, workloadTokens(model, wishes));
}
