import type { TensorInfo } from '../contracts/model.ts';
import { GGML_TYPES } from '../gguf/types.ts';
import { tensorList } from './text.ts';
import type { FloatFormat, TensorList } from './text.ts';

/** What the tensors of a vision tower and its projector follow from. */
export type EncoderDims = {
  /** `clip.projector_type`. */
  readonly projectorType: string;
  /** Blocks in the projector file: LLaVA-1.5 keeps 23 of CLIP's 24. */
  readonly layers: number;
  readonly embedding: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly patchSize: number;
  readonly imageSize: number;
  /** Side of the square of patches that becomes one token; 1 when none are merged. */
  readonly merge: number;
  /** Width of the language model. */
  readonly projectionDim: number;
  /** InternViT only: the 6B tower has RMS norms and q/k norms and no q/k/v bias, the 300M one the reverse. */
  readonly rmsNorm?: boolean;
};

/** Matrices of a projector file: a float format, or the converter's Q8_0. */
export type EncoderFormat = FloatFormat | 'Q8_0';

type Layout = (list: TensorList, dims: EncoderDims) => void;

/** Layouts by `clip.projector_type`, with the names that llama.cpp's `clip.cpp` loads. */
const LAYOUTS = {
  mlp: llava,
  qwen2vl_merger: qwen2vl,
  'qwen2.5vl_merger': qwen25vl,
  internvl,
} as const satisfies Record<string, Layout>;
type ProjectorType = keyof typeof LAYOUTS;
export type KnownEncoderDims = EncoderDims & { readonly projectorType: ProjectorType };

/** True for the projectors whose tensors are known here. */
function isKnownProjector(projectorType: string): projectorType is ProjectorType {
  return Object.hasOwn(LAYOUTS, projectorType);
}

/** Tensors of a projector file in file order; null when `projectorType` is none whose layout is known. */
export function encoderTensors(dims: KnownEncoderDims, format?: EncoderFormat): TensorInfo[];
export function encoderTensors(dims: EncoderDims, format?: EncoderFormat): TensorInfo[] | null;
export function encoderTensors(
  dims: EncoderDims,
  format: EncoderFormat = 'F16',
): TensorInfo[] | null {
  if (!isKnownProjector(dims.projectorType)) return null;
  const list = tensorList('F16');
  LAYOUTS[dims.projectorType](list, dims);
  return encoderAs(list.tensors, format);
}

/**
 * A projector's F16 tensors as the converter writes them in another format. F32 tensors stay.
 * In Q8_0 the patch matrices become F32 (convolution takes no quantised type), and rows that are no
 * whole number of blocks stay F16.
 */
export function encoderAs(tensors: readonly TensorInfo[], format: EncoderFormat): TensorInfo[] {
  return tensors.map((tensor) => {
    if (tensor.type !== 'F16') return tensor;
    if (format !== 'Q8_0') return { ...tensor, type: format };
    if (tensor.name.startsWith('v.patch_embd')) return { ...tensor, type: 'F32' };
    const [row = 0] = tensor.shape;
    return row % GGML_TYPES.Q8_0.blockSize === 0 ? { ...tensor, type: 'Q8_0' } : tensor;
  });
}

function norm(list: TensorList, name: string, width: number, bias: boolean): void {
  list.vector(`${name}.weight`, width);
  if (bias) list.vector(`${name}.bias`, width);
}

function linear(list: TensorList, name: string, input: number, output: number, bias = true): void {
  list.matrix(`${name}.weight`, input, output);
  if (bias) list.vector(`${name}.bias`, output);
}

function patches(list: TensorList, name: string, { patchSize, embedding }: EncoderDims): void {
  list.matrix(name, patchSize, patchSize, 3, embedding);
}

/** Rows of the learned position embedding: one for each patch and one for the class token. */
function positionCount({ imageSize, patchSize }: EncoderDims): number {
  return Math.floor(imageSize / patchSize) ** 2 + 1;
}

function attention(list: TensorList, prefix: string, width: number, bias: boolean): void {
  for (const part of ['q', 'k', 'v']) linear(list, `${prefix}.attn_${part}`, width, width, bias);
  linear(list, `${prefix}.attn_out`, width, width);
}

function blocks(dims: EncoderDims, each: (prefix: string) => void): void {
  for (let block = 0; block < dims.layers; block++) each(`v.blk.${block}`);
}

/** CLIP ViT with a class token, then two matrices (LLaVA-1.5). */
function llava(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward, projectionDim } = dims;
  list.vector('v.class_embd', embedding);
  patches(list, 'v.patch_embd.weight', dims);
  list.matrix('v.position_embd.weight', embedding, positionCount(dims));
  norm(list, 'v.pre_ln', embedding, true);
  blocks(dims, (prefix) => {
    norm(list, `${prefix}.ln1`, embedding, true);
    attention(list, prefix, embedding, true);
    norm(list, `${prefix}.ln2`, embedding, true);
    linear(list, `${prefix}.ffn_up`, embedding, feedForward);
    linear(list, `${prefix}.ffn_down`, feedForward, embedding);
  });
  norm(list, 'v.post_ln', embedding, true);
  linear(list, 'mm.0', embedding, projectionDim);
  linear(list, 'mm.2', projectionDim, projectionDim);
}

/** The Qwen towers have no position embedding (2-D rotary) and one patch matrix for each of two frames. */
function qwenTower(list: TensorList, dims: EncoderDims, gated: boolean): void {
  const { embedding, feedForward, merge, projectionDim } = dims;
  const merged = embedding * merge * merge;
  patches(list, 'v.patch_embd.weight', dims);
  patches(list, 'v.patch_embd.weight.1', dims);
  blocks(dims, (prefix) => {
    norm(list, `${prefix}.ln1`, embedding, !gated);
    attention(list, prefix, embedding, true);
    norm(list, `${prefix}.ln2`, embedding, !gated);
    if (gated) linear(list, `${prefix}.ffn_gate`, embedding, feedForward);
    linear(list, `${prefix}.ffn_up`, embedding, feedForward);
    linear(list, `${prefix}.ffn_down`, feedForward, embedding);
  });
  norm(list, 'v.post_ln', embedding, !gated);
  linear(list, 'mm.0', merged, merged);
  linear(list, 'mm.2', merged, projectionDim);
}

function qwen2vl(list: TensorList, dims: EncoderDims): void {
  qwenTower(list, dims, false);
}

function qwen25vl(list: TensorList, dims: EncoderDims): void {
  qwenTower(list, dims, true);
}

/** InternViT with layer scales; the projector norms the merged patches before its two matrices. */
function internvl(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward, merge, projectionDim } = dims;
  const rms = dims.rmsNorm ?? false;
  const merged = embedding * merge * merge;
  list.vector('v.class_embd', embedding);
  patches(list, 'v.patch_embd.weight', dims);
  list.vector('v.patch_embd.bias', embedding);
  // Added to the patches as it is, so the converter keeps it in F32.
  list.add('v.position_embd.weight', [embedding, positionCount(dims)], 'F32');
  blocks(dims, (prefix) => {
    norm(list, `${prefix}.ln1`, embedding, !rms);
    attention(list, prefix, embedding, !rms);
    if (rms) {
      list.vector(`${prefix}.attn_q_norm.weight`, embedding);
      list.vector(`${prefix}.attn_k_norm.weight`, embedding);
    }
    list.vector(`${prefix}.ls1.weight`, embedding);
    norm(list, `${prefix}.ln2`, embedding, !rms);
    linear(list, `${prefix}.ffn_up`, embedding, feedForward);
    linear(list, `${prefix}.ffn_down`, feedForward, embedding);
    list.vector(`${prefix}.ls2.weight`, embedding);
  });
  norm(list, 'mm.model.mlp.0', merged, true);
  linear(list, 'mm.model.mlp.1', merged, projectionDim);
  linear(list, 'mm.model.mlp.3', projectionDim, projectionDim);
}
