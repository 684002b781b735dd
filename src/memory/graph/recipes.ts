import type { TextModel } from '../../contracts/model.ts';

/** Architectures whose graph is laid out as llama.cpp builds it. */
const KNOWN: ReadonlySet<string> = new Set([
  'deepseek2',
  'deepseek2-ocr',
  'ernie4_5',
  'ernie4_5-moe',
  'gemma3',
  'gemma3n',
  'gemma4',
  'glm4',
  'glm4moe',
  'gpt-oss',
  'granite',
  'hunyuan-dense',
  'hunyuan_vl',
  'internlm2',
  'lfm2',
  'lfm2moe',
  'llama',
  'llama4',
  'minicpm',
  'mistral3',
  'phi2',
  'phi3',
  'qwen',
  'qwen2',
  'qwen2vl',
  'qwen3',
  'qwen35',
  'qwen35moe',
  'qwen3moe',
  'qwen3vl',
  'qwen3vlmoe',
]);

/** Whether the graph of an architecture is laid out as llama.cpp builds it. */
export function knowsGraph({ arch }: Pick<TextModel, 'arch'>): boolean {
  return KNOWN.has(arch);
}
