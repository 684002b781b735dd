/**
 * Whether an engine that runs still gets anywhere. Proof of progress is what llama-server says of its
 * slots: a task that begins or ends, a prompt token evaluated or an answer's token decoded changes
 * `/slots`, which build 11669 answers within 10 ms even while an image is encoded. Bytes on the way to
 * a client are no proof (a slow reader holds them up), nor is the log (nothing is printed per token).
 */
import { z } from 'zod';

export type ProgressSample =
  /** `mark` is another one whenever the engine has got further. */
  | { readonly kind: 'slots'; readonly busy: boolean; readonly mark: string }
  /** It answers `/health`, but `/slots` not in time: it is busy, and nothing else is known. */
  | { readonly kind: 'occupied' }
  /** It answers and has no `/slots` to tell us anything. */
  | { readonly kind: 'untold' }
  /** It does not even answer `/health`: stopped by a signal, swapped out, or deadlocked. */
  | { readonly kind: 'silent' };

export type WatchLimits = {
  /** How long running requests may make no progress at all: longer than the slowest encode of one image. */
  readonly stallMs: number;
  /** How long an engine may answer nothing, busy or not. */
  readonly silenceMs: number;
};

const MOST_SILENCE_MS = 60_000;

/** Limits that follow from the one that is asked for: `/health` is answered whatever the engine does. */
export function watchLimits(stallMs: number): WatchLimits {
  return { stallMs, silenceMs: Math.min(stallMs, MOST_SILENCE_MS) };
}

export type Watch = {
  readonly mark: string | null;
  readonly stalledMs: number;
  readonly silentMs: number;
};

export const NOTHING_SEEN: Watch = { mark: null, stalledMs: 0, silentMs: 0 };

/**
 * The watch after one more sample, `elapsedMs` after the one before. The caller bounds `elapsedMs` by
 * its own rhythm, so that a pause of the whole machine is not held against the engine.
 */
export function watchOn(watch: Watch, sample: ProgressSample, elapsedMs: number): Watch {
  switch (sample.kind) {
    case 'silent':
      return {
        ...watch,
        stalledMs: watch.stalledMs + elapsedMs,
        silentMs: watch.silentMs + elapsedMs,
      };
    case 'occupied':
      return { ...watch, stalledMs: watch.stalledMs + elapsedMs, silentMs: 0 };
    case 'untold':
      return NOTHING_SEEN;
    case 'slots': {
      const stuck = sample.busy && sample.mark === watch.mark;
      return {
        mark: sample.mark,
        stalledMs: stuck ? watch.stalledMs + elapsedMs : 0,
        silentMs: 0,
      };
    }
  }
}

/** Why the engine has to be killed; null while it may live. */
export function stuckReason(watch: Watch, limits: WatchLimits): string | null {
  if (watch.silentMs >= limits.silenceMs) {
    return `it answered nothing for ${seconds(limits.silenceMs)} s`;
  }
  if (watch.stalledMs >= limits.stallMs) {
    return `its requests made no progress for ${seconds(limits.stallMs)} s`;
  }
  return null;
}

const slotsSchema = z.array(
  z.object({
    id: z.number(),
    is_processing: z.boolean(),
    id_task: z.number().optional(),
    n_prompt_tokens: z.number().optional(),
    n_prompt_tokens_processed: z.number().optional(),
    next_token: z
      .union([
        z.array(z.object({ n_decoded: z.number().optional() })),
        z.object({ n_decoded: z.number().optional() }).transform((one) => [one]),
      ])
      .optional(),
  }),
);

/** What an answer of `/slots` shows; older engines give `next_token` as one object, newer ones as a list. */
export function slotsSample(answer: unknown): ProgressSample {
  const parsed = slotsSchema.safeParse(answer);
  if (!parsed.success) return { kind: 'untold' };
  const running = parsed.data.filter((slot) => slot.is_processing);
  const mark = JSON.stringify(
    running.map((slot) => [
      slot.id,
      slot.id_task,
      slot.n_prompt_tokens,
      slot.n_prompt_tokens_processed,
      slot.next_token?.map(({ n_decoded }) => n_decoded),
    ]),
  );
  return { kind: 'slots', busy: running.length > 0, mark };
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
