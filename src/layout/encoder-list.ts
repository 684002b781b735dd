import type { EncoderModel } from '../contracts/model.ts';
import type { FloatFormat, TensorList } from './text.ts';

/** What the tensors of a vision or audio tower and its projector follow from. */
export type EncoderDims = Omit<EncoderModel, 'tensors'> & {
  /** InternViT only: the 6B tower has RMS norms and q/k norms and no q/k/v bias, the 300M one the reverse. */
  readonly rmsNorm?: boolean;
  /** LLaVA's tower is SigLIP: no class token and no norm before the first block. */
  readonly siglip?: boolean;
  /** Rows of the learned positions, where they do not follow from picture and patch. */
  readonly positions?: number;
  /** Width between the projector's matrices, where it is not that of the language model. */
  readonly projectorHidden?: number;
  /** The projector's matrices have biases (Pixtral has, Mistral Small has not). */
  readonly projectorBias?: boolean;
  /** Blocks whose features reach the language model besides the last (Qwen3-VL). */
  readonly deepstack?: readonly number[];
  /** Channels of the convolutions in front of an audio tower (Qwen3's own encoder: 480). */
  readonly channels?: number;
  /** Mean and deviation after the tower (the larger Gemma 4). */
  readonly standardize?: boolean;
};

export function norm(list: TensorList, name: string, width: number, bias = true): void {
  list.vector(`${name}.weight`, width);
  if (bias) list.vector(`${name}.bias`, width);
}

export function linear(
  list: TensorList,
  name: string,
  input: number,
  output: number,
  bias = true,
): void {
  list.matrix(`${name}.weight`, input, output);
  if (bias) list.vector(`${name}.bias`, output);
}

export function patches(list: TensorList, name: string, { patchSize, embedding }: EncoderDims) {
  list.matrix(name, patchSize, patchSize, 3, embedding);
}

export type PatchFormats = { readonly patch: FloatFormat; readonly positions: FloatFormat };

/** Patch matrix with a bias, and learned positions: which stay in F32 is each converter's own choice. */
export function placedPatches(list: TensorList, dims: EncoderDims, formats: PatchFormats): void {
  const { patchSize, embedding } = dims;
  list.add('v.patch_embd.weight', [patchSize, patchSize, 3, embedding], formats.patch);
  list.vector('v.patch_embd.bias', embedding);
  list.add('v.position_embd.weight', [embedding, positionRows(dims)], formats.positions);
}

/** Rows of the learned positions: one for each patch unless the tower was trained on another square. */
export function positionRows({ positions, imageSize, patchSize }: EncoderDims): number {
  return positions ?? Math.floor(imageSize / patchSize) ** 2;
}

export function attention(list: TensorList, prefix: string, width: number, bias = true): void {
  for (const part of ['q', 'k', 'v']) linear(list, `${prefix}.attn_${part}`, width, width, bias);
}

export function blocks(
  { layers }: EncoderDims,
  each: (prefix: string) => void,
  tower: 'v' | 'a' = 'v',
): void {
  for (let block = 0; block < layers; block++) each(`${tower}.blk.${block}`);
}

/** The usual block: two LayerNorms, attention and feed-forward, biases everywhere. */
export function plainBlocks(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward } = dims;
  blocks(dims, (prefix) => {
    norm(list, `${prefix}.ln1`, embedding);
    attention(list, prefix, embedding);
    linear(list, `${prefix}.attn_out`, embedding, embedding);
    norm(list, `${prefix}.ln2`, embedding);
    linear(list, `${prefix}.ffn_up`, embedding, feedForward);
    linear(list, `${prefix}.ffn_down`, feedForward, embedding);
  });
}

/** The block of the newer towers: RMS norms, a gate in the feed-forward, no bias. */
export function gatedBlocks(
  list: TensorList,
  dims: EncoderDims,
  project: (prefix: string) => void,
  more: (prefix: string) => void = () => undefined,
): void {
  const { embedding, feedForward } = dims;
  blocks(dims, (prefix) => {
    norm(list, `${prefix}.ln1`, embedding, false);
    project(prefix);
    linear(list, `${prefix}.attn_out`, embedding, embedding, false);
    norm(list, `${prefix}.ln2`, embedding, false);
    linear(list, `${prefix}.ffn_gate`, embedding, feedForward, false);
    linear(list, `${prefix}.ffn_up`, embedding, feedForward, false);
    linear(list, `${prefix}.ffn_down`, feedForward, embedding, false);
    more(prefix);
  });
}
