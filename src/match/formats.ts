/** Weight formats that the search tries, best first: the contract takes the highest up to Q8_0. */
export const QUANT_LADDER = ['Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'Q3_K_M', 'Q2_K'] as const;
/** Encoder formats that the search tries, best first: encoders are small and sensitive to rounding. */
export const ENCODER_LADDER = ['F16', 'Q8_0'] as const;
/** What `--encoder-quant` takes. */
export const ENCODER_FORMATS = ['F32', 'F16', 'BF16', 'Q8_0'] as const;
