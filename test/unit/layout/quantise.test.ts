import { describe, expect, it } from 'vitest';
import type { TensorInfo } from '../../../src/contracts/model.ts';
import { tensorBytes } from '../../../src/gguf/types.ts';
import { textModel } from '../../../src/layout/model.ts';
import { QUANT_NAMES, quantise } from '../../../src/layout/quantise.ts';
import type { TextDims } from '../../../src/layout/text.ts';
import { textTensors } from '../../../src/layout/text.ts';
import { MIB, sum } from '../../../src/units.ts';
import { internvl26b, llava13b, llava7b, qwen25vl7b } from './dimensions.ts';

const bytes = (tensors: readonly TensorInfo[]) => sum(tensors.map(tensorBytes));

/** `quant size` in MiB that `llama-quantize --dry-run` (build 11669) prints for files of these dimensions. */
const DRY_RUNS: readonly (readonly [
  name: string,
  dims: TextDims,
  sizes: Record<string, number>,
])[] = [
  [
    'LLaVA-1.5-7B',
    llava7b.text,
    {
      F32: 25707.02,
      F16: 12854.02,
      BF16: 12854.02,
      Q8_0: 6829.17,
      Q6_K: 5272.75,
      Q5_K_M: 4561.24,
      Q5_K_S: 4435.87,
      Q5_1: 4829.7,
      Q5_0: 4435.87,
      Q4_K_M: 3891.59,
      Q4_K_S: 3677.71,
      Q4_1: 4042.04,
      Q4_0: 3648.21,
      IQ4_NL: 3669.71,
      IQ4_XS: 3478.17,
      Q3_K_L: 3430.08,
      Q3_K_M: 3144.83,
      Q3_K_S: 2811.33,
      Q2_K: 2415.11,
    },
  ],
  [
    'LLaVA-1.5-13B',
    llava13b.text,
    {
      F32: 49654.08,
      F16: 24827.83,
      BF16: 24827.83,
      Q8_0: 13190.53,
      Q6_K: 10184.22,
      Q5_K_M: 8802.1,
      Q5_K_S: 8556.4,
      Q5_1: 9322.43,
      Q5_0: 8556.4,
      Q4_K_M: 7501.28,
      Q4_K_S: 7079.02,
      Q4_1: 7790.36,
      Q4_0: 7024.33,
      IQ4_NL: 7066.52,
      IQ4_XS: 6694.05,
      Q3_K_L: 6608.22,
      Q3_K_M: 6043.85,
      Q3_K_S: 5396.5,
      Q2_K: 4629.04,
    },
  ],
  [
    'Qwen2.5-VL-7B',
    qwen25vl7b.text,
    {
      F32: 29051.27,
      F16: 14526.27,
      BF16: 14526.27,
      Q8_0: 7717.68,
      Q6_K: 5958.79,
      Q5_K_M: 5186.92,
      Q5_K_S: 5063.27,
      Q5_1: 5484.69,
      Q5_0: 5063.27,
      Q4_K_M: 4460.45,
      Q4_K_S: 4245.58,
      Q4_1: 4641.85,
      Q4_0: 4220.43,
      IQ4_NL: 4250.83,
      IQ4_XS: 4047.72,
      Q3_K_L: 3893.38,
      Q3_K_M: 3626.29,
      Q3_K_S: 3324.9,
      Q2_K: 2870.55,
    },
  ],
  [
    'InternVL2-26B',
    internvl26b.text,
    {
      F32: 75764.7,
      F16: 37883.48,
      BF16: 37883.48,
      Q8_0: 20126.67,
      Q6_K: 15539.49,
      Q5_K_M: 13421.09,
      Q5_K_S: 13095.96,
      Q5_1: 14245.86,
      Q5_0: 13095.96,
      Q4_K_M: 11427.3,
      Q4_K_S: 10871.18,
      Q4_1: 11946.07,
      Q4_0: 10796.18,
      IQ4_NL: 10904.18,
      IQ4_XS: 10356.23,
      Q3_K_L: 10060.4,
      Q3_K_M: 9269.9,
      Q3_K_S: 8352.65,
      Q2_K: 7195.07,
    },
  ],
  [
    'a 70B llama',
    { ...llava7b.text, layers: 80, embedding: 8192, heads: 64, kvHeads: 8, feedForward: 28672 },
    {
      F32: 263129.03,
      F16: 131567.03,
      BF16: 131567.03,
      Q8_0: 69897.34,
      Q6_K: 53966.01,
      Q5_K_M: 46495.24,
      Q5_K_S: 45262.74,
      Q5_1: 49358.39,
      Q5_0: 45262.74,
      Q4_K_M: 39503.93,
      Q4_K_S: 37431.43,
      Q4_1: 41167.08,
      Q4_0: 37071.43,
      IQ4_NL: 37431.43,
      IQ4_XS: 35473.6,
      Q3_K_L: 34473.16,
      Q3_K_M: 31733.16,
      Q3_K_S: 28533.16,
      Q2_K: 24282.71,
    },
  ],
  [
    'Qwen2.5-VL-72B',
    { ...qwen25vl7b.text, layers: 80, embedding: 8192, heads: 64, kvHeads: 8, feedForward: 29568 },
    {
      F32: 277352.16,
      F16: 138680.16,
      BF16: 138680.16,
      Q8_0: 73677.66,
      Q6_K: 61360.97,
      Q5_K_M: 51919.44,
      Q5_K_S: 48989.44,
      Q5_1: 52093.69,
      Q5_0: 47834.44,
      Q4_K_M: 45173.44,
      Q4_K_S: 41774.31,
      Q4_1: 43575.19,
      Q4_0: 39315.94,
      IQ4_NL: 39829.06,
      IQ4_XS: 38296.94,
      Q3_K_L: 37669.41,
      Q3_K_M: 35868.59,
      Q3_K_S: 32719.41,
      Q2_K: 28345.0,
    },
  ],
  [
    'tied Qwen2.5-VL-3B',
    {
      ...qwen25vl7b.text,
      layers: 36,
      embedding: 2048,
      heads: 16,
      kvHeads: 2,
      feedForward: 11008,
      vocabulary: 151_936,
      tiedEmbeddings: true,
    },
    {
      F32: 11771.92,
      F16: 5886.42,
      BF16: 5886.42,
      Q8_0: 3127.59,
      Q6_K: 2414.9,
      Q5_K_M: 2116.07,
      Q5_K_S: 2063.47,
      Q5_1: 2228.85,
      Q5_0: 2063.47,
      Q4_K_M: 1834.82,
      Q4_K_S: 1743.72,
      Q4_1: 1898.1,
      Q4_0: 1732.72,
      IQ4_NL: 1745.72,
      IQ4_XS: 1666.29,
      Q3_K_L: 1622.62,
      Q3_K_M: 1511.12,
      Q3_K_S: 1381.3,
      Q2_K: 1210.02,
    },
  ],
  [
    'a 0.5B of width 896',
    {
      ...qwen25vl7b.text,
      arch: 'qwen2',
      layers: 24,
      embedding: 896,
      heads: 14,
      kvHeads: 2,
      headSize: 64,
      feedForward: 4864,
    },
    {
      F32: 2404.77,
      F16: 1202.52,
      BF16: 1202.52,
      Q8_0: 638.97,
      Q6_K: 614.81,
      Q5_K_M: 492.52,
      Q5_K_S: 485.49,
      Q5_1: 491.72,
      Q5_0: 462.27,
      Q4_K_M: 463.15,
      Q4_K_S: 451.39,
      Q4_1: 432.82,
      Q4_0: 403.37,
      IQ4_NL: 405.43,
      IQ4_XS: 402.7,
      Q3_K_L: 419.78,
      Q3_K_M: 406.53,
      Q3_K_S: 390.13,
      Q2_K: 390.45,
    },
  ],
  [
    'Qwen-VL-Chat',
    { ...llava7b.text, arch: 'qwen', vocabulary: 151_936, qkvBias: true },
    {
      F32: 29454.52,
      F16: 14728.52,
      BF16: 14728.52,
      Q8_0: 7825.7,
      Q6_K: 6042.48,
      Q5_K_M: 5336.78,
      Q5_K_S: 5143.4,
      Q5_1: 5566.5,
      Q5_0: 5143.4,
      Q4_K_M: 4672.59,
      Q4_K_S: 4342.71,
      Q4_1: 4720.31,
      Q4_0: 4297.21,
      IQ4_NL: 4318.71,
      IQ4_XS: 4112.54,
      Q3_K_L: 4280.89,
      Q3_K_M: 3875.64,
      Q3_K_S: 3398.14,
      Q2_K: 3058.36,
    },
  ],
];

describe('quantise', () => {
  it.each(
    DRY_RUNS.flatMap(([name, dims, sizes]) =>
      Object.entries(sizes).map(([quant, mib]) => ({ name, dims, quant, mib })),
    ),
  )('gives $name in $quant the $mib MiB of llama-quantize', ({ dims, quant, mib }) => {
    expect(bytes(textModel(dims, 8192, quant).tensors) / MIB).toBeCloseTo(mib, 2);
  });

  it('puts every matrix in a plain type, and the output matrix in Q6_K', () => {
    const types = new Map(
      textModel(llava7b.text, 8192, 'Q4_K').tensors.map(({ name, type }) => [name, type]),
    );
    expect(types.get('token_embd.weight')).toBe('Q4_K');
    expect(types.get('blk.0.attn_v.weight')).toBe('Q4_K');
    expect(types.get('blk.31.ffn_down.weight')).toBe('Q4_K');
    expect(types.get('output.weight')).toBe('Q6_K');
    expect(types.get('output_norm.weight')).toBe('F32');
  });

  it('takes every name it lists', () => {
    for (const quant of QUANT_NAMES) {
      expect(() => textModel(llava7b.text, 8192, quant), quant).not.toThrow();
    }
    expect(QUANT_NAMES).toContain('Q4_K');
    expect(QUANT_NAMES).not.toContain('Q8_K');
  });

  it('offers the nearest names for an unknown quant', () => {
    expect(() => textModel(llava7b.text, 8192, 'Q4_KM')).toThrow(
      expect.objectContaining({
        code: 'usage.unknown-quant',
        hints: [expect.stringContaining('Q4_K_M')],
      }),
    );
    expect(() => textModel(llava7b.text, 8192, 'constructor')).toThrow(
      /unknown quant `constructor`/,
    );
  });

  it('leaves routers, norms and position tables alone', () => {
    const kept = [
      'blk.0.ffn_gate_inp.weight',
      'blk.0.attn_q_norm.weight',
      'v.position_embd.weight',
    ];
    const tensors = kept.map((name) => ({ name, shape: [256, 8], type: 'F32' }));
    expect(quantise(tensors, 'Q4_K_M', llava7b.text)).toEqual(tensors);
  });

  it('counts blocks by their number, not by the order in the file', () => {
    const forward = textTensors(llava7b.text);
    const backward = quantise([...forward].reverse(), 'Q4_K_M', llava7b.text).reverse();
    expect(backward).toEqual(quantise(forward, 'Q4_K_M', llava7b.text));
  });
});
