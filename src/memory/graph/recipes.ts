import type { TextModel } from '../../contracts/model.ts';

/** Architectures whose graph is laid out as llama.cpp builds it. */
const KNOWN: ReadonlySet<string> = new Set([
  'llama',
  'internlm2',
  'qwen',
  'qwen2',
  'qwen2vl',
  'qwen3',
  'qwen3moe',
  'mistral3',
]);

export function knowsGraph({ arch }: Pick<TextModel, 'arch'>): boolean {
  return KNOWN.has(arch);
}
