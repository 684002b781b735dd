import type { VllmChange } from '../match/vllm/alternatives.ts';
import type { VllmChoice } from '../match/vllm/types.ts';
import { counted, gib } from './wording.ts';

export type VllmReasonsInput = {
  readonly choice: VllmChoice;
  readonly changes: readonly VllmChange[];
  /** GPUs of the machine, of which the choice may use fewer. */
  readonly gpus: readonly { readonly id: string }[];
  /** Why a larger group of GPUs was not taken; null: a smaller one is enough. */
  readonly skipped: string | null;
  /** The command that plans the model for an engine that is less choosy; null: there is none. */
  readonly elsewhere: string | null;
};

/** Why the verdict is what it is, and what would better it; the first sentence is the verdict's own. */
export function vllmReasons(input: VllmReasonsInput): string[] {
  const { choice, changes, gpus, skipped, elsewhere } = input;
  const instead = elsewhere === null ? [] : [`llama.cpp may run it: \`${elsewhere}\``];
  if (gpus.length === 0) return ['vLLM needs a GPU, and this machine has none', ...instead];
  if (choice.fault !== null) {
    return [choice.fault, ...changes.map(changeSentence), ...(changes.length === 0 ? instead : [])];
  }
  if (choice.verdict === 'no') {
    return [short(choice), ...(skipped === null ? [] : [skipped]), ...changes.map(changeSentence)];
  }
  return [comfort(choice), ...others(choice, gpus), ...choice.notes];
}

function comfort(choice: VllmChoice): string {
  const needs = `${each(choice)}needs ${gib(peak(choice))} of ${share(choice)}`;
  return choice.verdict === 'tight'
    ? `${needs}: less than a comfortable margin`
    : `${needs}; the rest becomes KV cache as well`;
}

function short(choice: VllmChoice): string {
  return `${each(choice)}needs ${gib(peak(choice))}, ${gib(-choice.roomBytes)} more than ${share(choice)}`;
}

function each({ gpus }: VllmChoice): string {
  return gpus.length > 1 ? `each of ${gpus.length} GPUs ` : '';
}

function peak({ devices }: VllmChoice): number {
  return Math.max(...devices.map(({ peakBytes }) => peakBytes));
}

function share({ usableBytes, devices, memoryShare }: VllmChoice): string {
  const [first] = devices;
  const where =
    devices.length > 1 ? 'the smallest of them' : `${first?.id ?? ''} (${first?.name ?? ''})`;
  return `the ${gib(usableBytes)} that vLLM may use of ${where} (${Math.round(memoryShare * 100)} %)`;
}

/** GPUs that take no part, and how vLLM is told which do. */
function others({ gpus }: VllmChoice, all: VllmReasonsInput['gpus']): string[] {
  if (gpus.length === all.length) return [];
  const ids = gpus.map(({ id }) => id);
  const isFirst = all.slice(0, gpus.length).every(({ id }) => ids.includes(id));
  const enough = `${counted(gpus.length, 'GPU')} of ${all.length} is enough`;
  if (isFirst) return [enough];
  const numbers = ids.map((id) => id.replace(/^gpu/, '')).join(',');
  return [`${enough}: set \`CUDA_VISIBLE_DEVICES=${numbers}\` for ${ids.join(' and ')}`];
}

function changeSentence({ flags, result }: VllmChange): string {
  const verb = result.verdict === 'tight' ? 'fits tightly' : 'fits';
  return `\`${flags}\` needs ${gib(peak(result))} on ${counted(result.gpus.length, 'GPU')} and ${verb}`;
}
