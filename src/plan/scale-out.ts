import type { ModelDescription } from '../contracts/model.ts';
import type { ScaleOut } from '../contracts/plan.ts';
import type { Wishes } from '../match/types.ts';
import type { ScaledOut } from '../match/vllm/scale-out.ts';
import type { VllmChoice } from '../match/vllm/types.ts';
import { vllmCandidate } from './build-vllm.ts';
import { requiredSlots } from '../match/workload.ts';
import { counted } from './wording.ts';

export type ScaleOutInput = {
  readonly found: ScaledOut;
  readonly model: ModelDescription;
  readonly wishes: Wishes;
  readonly gpus: VllmChoice['gpus'];
  readonly trustRemoteCode: boolean;
  /** The verdict of the plan for llama.cpp; null: it was for vLLM. */
  readonly outgrown: string | null;
};

/** The proposal as the plan carries it: one copy's settings and command, how many, and why. */
export function scaleOutPlan(input: ScaleOutInput): ScaleOut | null {
  const { found, model, wishes, gpus, trustRemoteCode } = input;
  const { choice, copies, machines, users } = found;
  const { settings, files, memory, verdict, engine } = vllmCandidate({
    ...{ model, wishes, choice, gpus, trustRemoteCode },
    ...{ alternatives: [], changes: [], warnings: [] },
    ...{ skipped: null, elsewhere: null, scaleOut: null },
  });
  if (settings === null || engine === null) return null;
  const stages = choice.stages ?? 1;
  const kind = stages > 1 ? 'multi-node' : copies > 1 ? 'replicas' : 'one-node';
  return {
    kind,
    replicas: copies,
    nodes: stages,
    tensor: choice.gpus.length,
    pipeline: stages,
    machines,
    usersPerReplica: users,
    why: whyOf(kind, input),
    target: TARGETS[kind],
    ...{ settings, files, memory, verdict, engine },
  };
}

/** llm-d's router stands in front of copies; a group of pods that live and die together holds a large one. */
const TARGETS = { 'one-node': 'vllm', replicas: 'kserve', 'multi-node': 'lws' } as const;

function whyOf(kind: ScaleOut['kind'], { found, outgrown, wishes }: ScaleOutInput): string {
  const { choice, copies, machines, users } = found;
  const { contextPerSlot, variant, gpus, stages = 1 } = choice;
  const inAll = counted(requiredSlots(wishes), 'user');
  const what = `${counted(users, 'user')} of ${contextPerSlot} tokens`;
  const cards = counted(gpus.length, 'GPU');
  if (kind === 'one-node') {
    const split = gpus.length > 1 ? `: every layer split over ${cards}` : '';
    const held = outgrown === 'no' ? 'not hold it' : 'keep only a part of it on the GPUs';
    return `llama.cpp does ${held}, and vLLM holds it whole on this machine (${variant.format})${split}`;
  }
  if (kind === 'replicas') {
    return (
      `one copy on ${cards} holds ${what} (${variant.format}): ${copies} copies for ` +
      `${inAll} on ${counted(machines, 'such machine')}, behind llm-d's router, which ` +
      'sends requests with the same text and images to the copy that has them cached'
    );
  }
  const more = copies === 1 ? '' : `; ${copies} copies for ${inAll}`;
  return (
    `the model exceeds this machine (${variant.format}): every layer is split over ${cards} of a machine ` +
    `and the layers over ${stages} such machines, which hold ${what}${more}. They need a fast network between them`
  );
}
