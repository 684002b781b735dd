import { describe, expect, it } from 'vitest';
import { quantisedName } from '../../../src/layout/quantised-name.ts';

describe('the name of a file in another format', () => {
  // Names as their publishers give them.
  it.each([
    [
      'mmproj-Qwen2.5-VL-7B-Instruct-f16.gguf',
      'F16',
      'Q8_0',
      'mmproj-Qwen2.5-VL-7B-Instruct-Q8_0.gguf',
    ],
    ['llava-v1.5-7b-mmproj-model-f16.gguf', 'F16', 'Q8_0', 'llava-v1.5-7b-mmproj-model-Q8_0.gguf'],
    ['mmproj-BF16.gguf', 'BF16', 'Q8_0', 'mmproj-Q8_0.gguf'],
    ['ggml-model-Q8_0.gguf', 'Q8_0', 'Q4_K_M', 'ggml-model-Q4_K_M.gguf'],
    ['Model-Q4_K_M.gguf', 'Q4_K_M', 'Q3_K_M', 'Model-Q3_K_M.gguf'],
    ['model.fp16.gguf', 'F16', 'Q5_K_M', 'model.Q5_K_M.gguf'],
    ['big-F16-00001-of-00003.gguf', 'F16', 'Q4_K_M', 'big-Q4_K_M.gguf'],
    ['F16.gguf', 'F16', 'Q8_0', 'Q8_0.gguf'],
    ['f16-mmproj-f16.gguf', 'F16', 'Q8_0', 'f16-mmproj-Q8_0.gguf'],
  ])('%s (%s) in %s is %s', (name, from, to, expected) => {
    expect(quantisedName(name, from, to)).toBe(expected);
  });

  it.each([
    ['demo-mmproj.gguf', 'demo-mmproj-Q8_0.gguf'],
    ['DEMO.GGUF', 'DEMO-Q8_0.gguf'],
    // No format of its own: part of another word.
    ['sf16-model.gguf', 'sf16-model-Q8_0.gguf'],
    ['f16x.gguf', 'f16x-Q8_0.gguf'],
  ])('%s has none to replace: %s', (name, expected) => {
    expect(quantisedName(name, null, 'Q8_0')).toBe(expected);
  });
});
