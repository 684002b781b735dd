import type { OutOfMemory } from './out-of-memory.ts';

/**
 * How an engine that ran out of memory is started with less. One step at a time, from what costs time
 * to what costs quality to what costs users: the encoder moves to the CPU, images get half the tokens
 * (down to what the model takes), half the slots (each keeps its context).
 */
export type Relief = {
  /** `--no-mmproj-offload`. */
  readonly encoderOnCpu: boolean;
  /** `--image-max-tokens`; null: as planned. */
  readonly imageMaxTokens: number | null;
  /** null: as planned. */
  readonly slots: number | null;
};

export const NO_RELIEF: Relief = { encoderOnCpu: false, imageMaxTokens: null, slots: null };

/** What may be changed about an engine. */
export type ReliefScope = {
  /** Flags that the engine knows. */
  readonly flags: readonly string[];
  /** Tokens of the largest image without a cap, and the least cap; null where images have one size. */
  readonly imageTokens: { readonly largest: number; readonly least: number } | null;
};

const ENCODER = '--mmproj';
const ENCODER_ON_CPU = '--no-mmproj-offload';
const IMAGE_CAP = '--image-max-tokens';
const SLOTS = ['--parallel', '-np'];
const CONTEXT = ['--ctx-size', '-c'];

/** The next step for an engine of `args` that runs with `relief`; null when there is none left. */
export function nextRelief(
  args: readonly string[],
  relief: Relief,
  scope: ReliefScope,
  memory: OutOfMemory,
): Relief | null {
  const now = withRelief(args, relief);
  const hasEncoder = now.includes(ENCODER);
  if (
    // Moving the encoder would only make it worse where the machine's own memory ran out.
    memory === 'device' &&
    hasEncoder &&
    !now.includes(ENCODER_ON_CPU) &&
    scope.flags.includes(ENCODER_ON_CPU)
  ) {
    return { ...relief, encoderOnCpu: true };
  }
  if (hasEncoder && scope.imageTokens !== null && scope.flags.includes(IMAGE_CAP)) {
    const { largest, least } = scope.imageTokens;
    const cap = numberOf(now, [IMAGE_CAP]) ?? largest;
    if (cap > least) return { ...relief, imageMaxTokens: Math.max(least, Math.floor(cap / 2)) };
  }
  const slots = numberOf(now, SLOTS);
  if (slots === null || slots < 2) return null;
  return { ...relief, slots: Math.floor(slots / 2) };
}

/** `args` as they are with `relief`: context is that of all slots, so it shrinks with them. */
export function withRelief(args: readonly string[], relief: Relief): string[] {
  let changed = [...args];
  if (relief.encoderOnCpu && !changed.includes(ENCODER_ON_CPU)) changed.push(ENCODER_ON_CPU);
  if (relief.imageMaxTokens !== null) {
    changed = [...without(changed, IMAGE_CAP), IMAGE_CAP, String(relief.imageMaxTokens)];
  }
  const slots = numberOf(args, SLOTS);
  if (relief.slots === null || slots === null) return changed;
  const context = numberOf(args, CONTEXT);
  changed = replaced(changed, SLOTS, relief.slots);
  if (context === null) return changed;
  return replaced(changed, CONTEXT, Math.floor(context / slots) * relief.slots);
}

/** What `relief` changes, in flags: `--no-mmproj-offload, --image-max-tokens 512`; empty for nothing. */
export function reliefFlags(relief: Relief): string {
  return [
    ...(relief.encoderOnCpu ? [ENCODER_ON_CPU] : []),
    ...(relief.imageMaxTokens === null ? [] : [`${IMAGE_CAP} ${relief.imageMaxTokens}`]),
    ...(relief.slots === null ? [] : [`${SLOTS[0] ?? ''} ${relief.slots}`]),
  ].join(', ');
}

function numberOf(args: readonly string[], names: readonly string[]): number | null {
  const index = args.findLastIndex((arg) => names.includes(arg));
  const value = index === -1 ? NaN : Number(args[index + 1]);
  return Number.isInteger(value) && value > 0 ? value : null;
}

function replaced(args: readonly string[], names: readonly string[], value: number): string[] {
  return args.map((arg, index) => (names.includes(args[index - 1] ?? '') ? String(value) : arg));
}

function without(args: readonly string[], name: string): string[] {
  return args.filter((arg, index) => arg !== name && args[index - 1] !== name);
}
