import { listenAt } from '../engines/llama-cpp.ts';

/** Flags of a plan with a value each that say nothing about memory, or forbid the engine to print it. */
const DROPPED = ['--model', '--mmproj', '--alias', '--fit'];

/** Flags of a plan that an encoder's buffers depend on. */
const ENCODER_FLAGS = ['--image-max-tokens', '--flash-attn', '--ubatch-size', '--batch-size'];

/** What of a plan's argv an encoder's buffers depend on. */
export function encoderArgs(args: readonly string[]): string[] {
  return args.flatMap((arg, index) =>
    ENCODER_FLAGS.includes(arg) ? [arg, args[index + 1] ?? ''] : [],
  );
}

/** A plan's argv without files, address and `--fit off`: the engine tells its layout only when it fits. */
export function layoutArgs(args: readonly string[]): string[] {
  const kept: string[] = [];
  const rest = listenAt(args, []);
  for (let index = 0; index < rest.length; index++) {
    const arg = rest[index] ?? '';
    if (DROPPED.includes(arg)) index += 1;
    else kept.push(arg);
  }
  return kept;
}
