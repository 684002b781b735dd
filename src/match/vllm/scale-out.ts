import type { DeviceInput } from '../../memory/types.ts';
import type { Wishes } from '../types.ts';
import { usableBytes } from '../verdict.ts';
import { requiredSlots } from '../workload.ts';
import { evaluateVllm } from './evaluate.ts';
import { byPreference, pointOf, startPoint, variantsWithin } from './search.ts';
import type { VllmChoice, VllmPoint, VllmVariant } from './types.ts';

/** GPUs of one machine that a tensor-parallel group is made of. */
const MAX_RANKS = 8;
/** Machines of one copy: each more waits for the one before it. */
const MAX_STAGES = 8;
/** Sequences of one copy: vLLM's own `--max-num-seqs` on most cards. */
const MAX_SEQUENCES = 256;
/** vLLM does not cut these over machines (the PP column of docs/models/supported_models.md). */
const NO_PIPELINE: ReadonlySet<string> = new Set(['mllama']);

/** Copies of the model on machines like the given one, which hold all users at once. */
export type ScaledOut = {
  readonly copies: number;
  /** In all; one may hold several copies, or a copy several of them. */
  readonly machines: number;
  /** Users that a copy holds. */
  readonly users: number;
  /** One copy: its share of the users, its GPUs on each machine, its stages. */
  readonly choice: VllmChoice;
};

type Copy = { readonly choice: VllmChoice; readonly users: number };

/**
 * The smallest fleet of machines like this one that holds the workload by vLLM's memory model, no figure of
 * speed in it: copies on GPUs of one machine where one user fits there in any format, else copies that lie
 * across the fewest machines. Null where neither holds one user, or vLLM does not run on these GPUs. More
 * users never take fewer machines, because formats and groups are chosen by what holds one user and the most
 * users per machine, not by how many there are.
 */
export function scaleOut(
  variants: readonly VllmVariant[],
  gpus: readonly DeviceInput[],
  wishes: Wishes,
): ScaledOut | null {
  const node = nodeOf(gpus);
  if (node.length === 0) return null;
  const users = requiredSlots(wishes);
  const ordered = byPreference(variantsWithin(variants, wishes), node);
  for (const [within, level] of [
    [withinMachine, 'fits'],
    [withinMachine, 'tight'],
    [acrossMachines, 'fits'],
    [acrossMachines, 'tight'],
  ] as const) {
    for (const variant of ordered) {
      const found = within({ variant, node, wishes, users, level });
      if (found !== null) return found;
    }
  }
  return null;
}

/** The cards of the machine that are all like its largest. */
function nodeOf(gpus: readonly DeviceInput[]): readonly DeviceInput[] {
  const size = (gpu: DeviceInput): number => usableBytes(gpu) ?? 0;
  const [largest] = [...gpus].sort((a, b) => size(b) - size(a));
  if (largest === undefined) return [];
  const { backend, name, capacityBytes } = largest;
  return gpus.filter(
    (gpu) => gpu.backend === backend && gpu.name === name && gpu.capacityBytes === capacityBytes,
  );
}

type Search = {
  readonly variant: VllmVariant;
  readonly node: readonly DeviceInput[];
  readonly wishes: Wishes;
  readonly users: number;
  /** How well a copy has to hold its users. */
  readonly level: 'fits' | 'tight';
};

function withinMachine(search: Search): ScaledOut | null {
  const { variant, node, wishes, users } = search;
  let best: { readonly copy: Copy; readonly perMachine: number } | null = null;
  for (let ranks = 1; ranks <= Math.min(node.length, MAX_RANKS); ranks++) {
    const copy = copyOf(startPoint(variant, node.slice(0, ranks), wishes), search);
    if (copy === null) continue;
    const perMachine = Math.floor(node.length / ranks);
    const held = perMachine * copy.users;
    if (best === null || held > best.perMachine * best.copy.users) best = { copy, perMachine };
  }
  if (best === null) return null;
  const { copy, perMachine } = best;
  const copies = Math.ceil(users / copy.users);
  const machines = Math.ceil(copies / perMachine);
  return { copies, machines, users: copy.users, choice: shareOf(copy, users, copies, wishes) };
}

function acrossMachines(search: Search): ScaledOut | null {
  const { variant, node, wishes, users } = search;
  const { text } = variant.model;
  if (NO_PIPELINE.has(text.arch)) return null;
  let best: ScaledOut | null = null;
  for (let ranks = Math.min(node.length, MAX_RANKS); ranks >= 1 && best === null; ranks--) {
    const point = startPoint(variant, node.slice(0, ranks), wishes);
    for (let stages = 2; stages <= Math.min(MAX_STAGES, text.layers); stages++) {
      const copy = copyOf({ ...point, stages }, search);
      if (copy === null) continue;
      const copies = Math.ceil(users / copy.users);
      const machines = copies * stages;
      if (best !== null && machines >= best.machines) continue;
      best = { copies, machines, users: copy.users, choice: shareOf(copy, users, copies, wishes) };
    }
  }
  return best;
}

/** As many users as a copy holds at this level; null where it holds not even one. */
function copyOf(point: VllmPoint, { wishes, level }: Search): Copy | null {
  const at = (slots: number): VllmChoice => evaluateVllm({ ...point, slots }, wishes);
  const holds = ({ verdict }: VllmChoice): boolean => verdict === 'fits' || verdict === level;
  let choice = at(1);
  if (!holds(choice)) return null;
  let [low, high] = [1, MAX_SEQUENCES + 1];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const tried = at(middle);
    if (holds(tried)) [low, choice] = [middle, tried];
    else high = middle;
  }
  return { choice, users: low };
}

/** A copy with its even share of the users. */
function shareOf({ choice }: Copy, users: number, copies: number, wishes: Wishes): VllmChoice {
  return evaluateVllm({ ...pointOf(choice), slots: Math.ceil(users / copies) }, wishes);
}
