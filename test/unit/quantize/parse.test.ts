import { describe, expect, it } from 'vitest';
import { lastWords, parseFormats, parseQuantSize, parseStep } from '../../../src/quantize/parse.ts';

// Captured from llama-quantize of llama.cpp 0.7.0 (build 11669).
const HELP = `
 allowed quantization types
-----------------------------------------------------------------------------

  40  or  Q1_0    :  1.125 bpw quantization
  38  or  MXFP4_MOE :  MXFP4 MoE
  12  or  Q3_K    : alias for Q3_K_M
  12  or  Q3_K_M  :  3.74G, +0.6569 ppl @ Llama-3-8B
   7  or  Q8_0    :  7.96G, +0.0026 ppl @ Llama-3-8B
  32  or  BF16    : 14.00G, -0.0050 ppl @ Mistral-7B
   0  or  F32     : 26.00G              @ 7B
          COPY    : only copy tensors, no quantizing
`;
const LOG = `ggml_backend_load_best: failed to enumerate /usr/lib/x86_64-linux-gnu/ggml/backends0: No such file or directory
load_backend: loaded CPU backend from /opt/libggml-cpu-zen4.so
[   1/  43] mm.0.bias                            - [    64,      1,      1,      1], type =    f32, size =    0.000 MiB
[   2/  43] mm.0.weight                          - [    64,     64,      1,      1], type =   q8_0, llama_model_quantize: failed to quantize: requantizing from type q8_0 is disabled
llama_quantize: failed to quantize model from 'demo/mm-q8.gguf'
`;

describe('what llama-quantize prints', () => {
  it('names its formats, second names apart', () => {
    const { names, aliases } = parseFormats(HELP);
    expect(names).toEqual(['Q1_0', 'MXFP4_MOE', 'Q3_K_M', 'Q8_0', 'BF16', 'F32']);
    expect([...aliases]).toEqual([['Q3_K', 'Q3_K_M']]);
    expect(parseFormats('usage: something else').names).toEqual([]);
  });

  it('foretells a size', () => {
    const line = 'llama_model_quantize_impl: quant size  =     9.77 MiB (9.06 BPW)\n';
    expect(parseQuantSize(line)).toBe(Math.ceil(9.77 * 1024 * 1024));
    expect(parseQuantSize('model size = 17.30 MiB')).toBeNull();
  });

  it('says how far it is', () => {
    expect(parseStep(LOG)).toEqual({ done: 2, total: 43 });
    expect(parseStep('[ 120/ 291] blk')).toEqual({ done: 120, total: 291 });
    expect(parseStep('- kv   0: general.architecture')).toBeNull();
  });

  it('ends in what went wrong', () => {
    const words = lastWords(LOG);
    expect(words).toHaveLength(3);
    expect(words.at(-1)).toBe("llama_quantize: failed to quantize model from 'demo/mm-q8.gguf'");
    expect(words.join('\n')).not.toContain('backend');
  });
});
