import type { LaunchSettings } from '../memory/types.ts';
import type { Wishes } from './types.ts';

/** `LLAMA_MAX_SEQ`: one more and llama-server (build 11669) ends before it loads anything. */
const MOST_SLOTS = 256;
/** `GGML_SCHED_MAX_BACKENDS` is 16, and the CPU is one: with one more GPU llama-server aborts. */
const MOST_GPUS = 15;
/** `--ctx-size` is read as a signed 32-bit number. */
const MOST_CONTEXT = 2 ** 31 - 1;

/** Why llama-server itself would refuse these settings, whatever memory there is; null: it would not. */
export function engineFault(settings: LaunchSettings, gpus: number, wishes: Wishes): string | null {
  const { slots, contextPerSlot } = settings;
  if (slots > MOST_SLOTS) {
    const asked = wishes.slots === null ? `${slots} users at the same time` : `${slots} slots`;
    return `llama-server has at most ${MOST_SLOTS} slots, and ${asked} are asked for: start several servers, each with \`--slots ${MOST_SLOTS}\` or fewer`;
  }
  if (contextPerSlot * slots > MOST_CONTEXT) {
    const most = Math.floor(MOST_CONTEXT / slots);
    return `${slots} x ${contextPerSlot} tokens of context are more than llama-server can be told (${MOST_CONTEXT}): give \`--context ${most}\` or less`;
  }
  if (gpus > MOST_GPUS) {
    return `llama.cpp works with at most ${MOST_GPUS} GPUs, and there are ${gpus}: plan for fewer, as in \`--gpu "${MOST_GPUS}x …"\``;
  }
  return null;
}
