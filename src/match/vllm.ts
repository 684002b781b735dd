import type { ModelDescription, TextModel } from '../contracts/model.ts';
import type { DeviceMemory, Verdict } from '../contracts/plan.ts';
import { vllmMemory } from '../memory/vllm.ts';
import type { DeviceInput } from '../memory/types.ts';
import type { Wishes } from './types.ts';
import { usableBytes } from './verdict.ts';
import { requiredContext, requiredSlots } from './workload.ts';

/** vLLM's own default share of a card (`--gpu-memory-utilization`). */
export const GPU_MEMORY_UTILIZATION = 0.9;
const MAX_SLOTS = 8;

export type VllmChoice = {
  readonly contextPerSlot: number;
  readonly slots: number;
  /** null when there is no GPU at all. */
  readonly device: DeviceMemory | null;
  readonly verdict: Exclude<Verdict, 'api' | 'offload'>;
  /** Bytes that vLLM may use of the device. */
  readonly usableBytes: number;
};

/** BF16 on the first GPU: the workload first, then context, then slots, all under vLLM's share of it. */
export function searchVllm(
  model: ModelDescription,
  text: TextModel,
  gpu: DeviceInput | null,
  wishes: Wishes,
): VllmChoice {
  const start = {
    contextPerSlot: wishes.contextPerSlot ?? requiredContext(model, text, wishes, 'vllm'),
    slots: requiredSlots(wishes),
  };
  if (gpu === null) return { ...start, device: null, verdict: 'no', usableBytes: 0 };
  const at = (settings: typeof start): VllmChoice => {
    const device = vllmMemory(model, text, settings, gpu);
    const usable = Math.floor((usableBytes(device) ?? 0) * GPU_MEMORY_UTILIZATION);
    const verdict = device.peakBytes <= usable ? 'fits' : 'no';
    return { ...settings, device, verdict, usableBytes: usable };
  };
  let best = at(start);
  while (best.verdict === 'fits' && wishes.contextPerSlot === null) {
    if (best.contextPerSlot >= text.contextMax) break;
    const contextPerSlot = Math.min(best.contextPerSlot * 2, text.contextMax);
    const next = at({ contextPerSlot, slots: best.slots });
    if (next.verdict === 'no') break;
    best = next;
  }
  while (best.verdict === 'fits' && wishes.slots === null && best.slots < MAX_SLOTS) {
    const next = at({ contextPerSlot: best.contextPerSlot, slots: best.slots + 1 });
    if (next.verdict === 'no') break;
    best = next;
  }
  return best;
}
