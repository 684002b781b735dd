import type { GgmlTypeName } from '../gguf/types.ts';

/** Which of its kind a tensor is, in block order, of how many; and the query heads of each KV head. */
export type Place = { readonly index: number; readonly of: number; readonly headsPerKv: number };
type Choice = (place: Place) => GgmlTypeName;

/** A mix: the type of most matrices, and the kinds that get another. */
export type Mix = {
  readonly base: GgmlTypeName;
  /** The value matrix, or the fused q, k and v. */
  readonly attnV?: Choice;
  readonly attnOutput?: Choice;
  readonly ffnDown?: Choice;
  /** Stacks of experts, whatever their kind. */
  readonly experts?: GgmlTypeName;
};

const always =
  (type: GgmlTypeName): Choice =>
  () =>
    type;
/** First and last eighth and every third block between get the better type (`use_more_bits`). */
const moreBits =
  (better: GgmlTypeName, base: GgmlTypeName): Choice =>
  ({ index, of }) => {
    const eighth = Math.floor(of / 8);
    const more = index < eighth || index >= Math.floor((7 * of) / 8) || (index - eighth) % 3 === 2;
    return more ? better : base;
  };
const firstEighth =
  (better: GgmlTypeName, base: GgmlTypeName): Choice =>
  ({ index, of }) =>
    index < Math.floor(of / 8) ? better : base;
const grouped =
  (better: GgmlTypeName, base: GgmlTypeName): Choice =>
  ({ headsPerKv }) =>
    headsPerKv >= 4 ? better : base;

/**
 * The mixes of `llama-quantize` as made without an importance matrix (`llama_tensor_get_type` in
 * llama.cpp's `llama-quant.cpp`). With one, IQ4 and Q4_0/Q5_0 treat the first `ffn_down` otherwise.
 */
export const MIXES = {
  F32: { base: 'F32' },
  BF16: { base: 'BF16' },
  F16: { base: 'F16' },
  Q8_0: { base: 'Q8_0' },
  Q6_K: { base: 'Q6_K' },
  Q5_K_M: {
    base: 'Q5_K',
    attnV: moreBits('Q6_K', 'Q5_K'),
    ffnDown: moreBits('Q6_K', 'Q5_K'),
  },
  Q5_K_S: { base: 'Q5_K' },
  Q5_1: { base: 'Q5_1' },
  Q5_0: { base: 'Q5_0' },
  Q4_K_M: {
    base: 'Q4_K',
    attnV: moreBits('Q6_K', 'Q4_K'),
    ffnDown: moreBits('Q6_K', 'Q4_K'),
  },
  Q4_K_S: {
    base: 'Q4_K',
    attnV: ({ index }) => (index < 4 ? 'Q5_K' : 'Q4_K'),
    ffnDown: firstEighth('Q5_K', 'Q4_K'),
  },
  Q4_1: { base: 'Q4_1' },
  Q4_0: { base: 'Q4_0' },
  IQ4_NL: {
    base: 'IQ4_NL',
    attnV: grouped('Q5_K', 'IQ4_NL'),
    ffnDown: firstEighth('Q5_K', 'IQ4_NL'),
  },
  IQ4_XS: {
    base: 'IQ4_XS',
    attnV: grouped('Q5_K', 'IQ4_XS'),
    ffnDown: firstEighth('Q5_K', 'IQ4_XS'),
  },
  Q3_K_L: {
    base: 'Q3_K',
    attnV: always('Q5_K'),
    attnOutput: always('Q5_K'),
    ffnDown: always('Q5_K'),
  },
  Q3_K_M: {
    base: 'Q3_K',
    attnV: ({ index }) => (index < 2 ? 'Q5_K' : 'Q4_K'),
    attnOutput: always('Q4_K'),
    ffnDown: ({ index, of }) => (index < Math.floor(of / 16) ? 'Q5_K' : 'Q4_K'),
  },
  Q3_K_S: { base: 'Q3_K' },
  MXFP4_MOE: { base: 'Q8_0', experts: 'MXFP4' },
  Q2_K: {
    base: 'Q2_K',
    attnV: grouped('Q4_K', 'Q3_K'),
    attnOutput: always('Q3_K'),
    ffnDown: always('Q3_K'),
  },
} as const satisfies Record<string, Mix>;

export type MixName = keyof typeof MIXES;
