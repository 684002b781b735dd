import type { GgufValue } from '../gguf/types.ts';

export const text = (value: string): GgufValue => ({ type: 'string', value });
export const count = (value: number): GgufValue => ({ type: 'uint32', value });
export const real = (value: number): GgufValue => ({ type: 'float32', value });
export const yes = (value: boolean): GgufValue => ({ type: 'bool', value });

/** `LLAMA_FTYPE_MOSTLY_F16`: informative only, the tensor list is what is read. */
export const FILE_TYPE_F16 = 1;
