import {
  attention,
  blocks,
  gatedBlocks,
  linear,
  norm,
  patches,
  placedPatches,
  plainBlocks,
  positionRows,
} from './encoder-list.ts';
import type { EncoderDims, PatchFormats } from './encoder-list.ts';
import type { TensorList } from './text.ts';

const EXACT_POSITIONS: PatchFormats = { patch: 'F16', positions: 'F32' };

function siglip(list: TensorList, dims: EncoderDims): void {
  placedPatches(list, dims, EXACT_POSITIONS);
  plainBlocks(list, dims);
  norm(list, 'v.post_ln', dims.embedding);
}

const joinedWidth = ({ embedding, merge }: EncoderDims) => embedding * merge * merge;

/** SigLIP and two matrices (Janus-Pro). */
export function janusPro(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim } = dims;
  siglip(list, dims);
  linear(list, 'mm.0', embedding, projectionDim);
  linear(list, 'mm.1', projectionDim, projectionDim);
}

/** SigLIP2 and two matrices (Phi-4 vision). */
export function phi4(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim } = dims;
  siglip(list, dims);
  linear(list, 'mm.0', embedding, projectionDim);
  linear(list, 'mm.2', projectionDim, projectionDim);
}

/** SigLIP with rotary positions beside the learned ones (PaddleOCR-VL). */
export function paddleOcr(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim } = dims;
  siglip(list, dims);
  norm(list, 'mm.input_norm', embedding);
  linear(list, 'mm.1', joinedWidth(dims), joinedWidth(dims));
  linear(list, 'mm.2', joinedWidth(dims), projectionDim);
}

/** Gated blocks under RMS norms, one before them and one after (dots.ocr). */
export function dotsOcr(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim } = dims;
  patches(list, 'v.patch_embd.weight', dims);
  list.vector('v.patch_embd.bias', embedding);
  list.vector('v.pre_ln.weight', embedding);
  gatedBlocks(list, dims, (prefix) =>
    linear(list, `${prefix}.attn_qkv`, embedding, 3 * embedding, false),
  );
  list.vector('mm.post_norm.weight', embedding);
  norm(list, 'mm.input_norm', embedding);
  linear(list, 'mm.0', joinedWidth(dims), joinedWidth(dims));
  linear(list, 'mm.2', joinedWidth(dims), projectionDim);
}

function fusedBlocks(list: TensorList, dims: EncoderDims, scales = false): void {
  const { embedding, feedForward } = dims;
  blocks(dims, (prefix) => {
    norm(list, `${prefix}.ln1`, embedding);
    linear(list, `${prefix}.attn_qkv`, embedding, 3 * embedding);
    linear(list, `${prefix}.attn_out`, embedding, embedding);
    if (scales) list.vector(`${prefix}.ls1.weight`, embedding);
    norm(list, `${prefix}.ln2`, embedding);
    linear(list, `${prefix}.ffn_up`, embedding, feedForward);
    linear(list, `${prefix}.ffn_down`, feedForward, embedding);
    if (scales) list.vector(`${prefix}.ls2.weight`, embedding);
  });
}

/** Positions by column and row in one table (Kimi-K2.5). */
export function kimiK25(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim } = dims;
  const side = Math.floor(Math.sqrt(positionRows(dims)));
  patches(list, 'v.patch_embd.weight', dims);
  list.vector('v.patch_embd.bias', embedding);
  list.add('v.position_embd.weight', [embedding, side, side], 'F32');
  fusedBlocks(list, dims);
  norm(list, 'v.post_ln', embedding);
  norm(list, 'mm.input_norm', embedding);
  linear(list, 'mm.1', joinedWidth(dims), joinedWidth(dims));
  linear(list, 'mm.2', joinedWidth(dims), projectionDim);
}

/** EVA-CLIP with norms after its parts, and a gated feed-forward (CogVLM). */
export function cogvlm(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim } = dims;
  const hidden = dims.projectorHidden ?? projectionDim;
  list.vector('v.class_embd', embedding);
  patches(list, 'v.patch_embd.weight', dims);
  list.vector('v.patch_embd.bias', embedding);
  list.add('v.position_embd.weight', [embedding, positionRows(dims) + 1], 'F32');
  fusedBlocks(list, dims);
  linear(list, 'mm.model.fc', embedding, projectionDim, false);
  norm(list, 'mm.post_fc_norm', projectionDim);
  linear(list, 'mm.up', projectionDim, hidden, false);
  linear(list, 'mm.gate', projectionDim, hidden, false);
  linear(list, 'mm.down', hidden, projectionDim, false);
  list.vector('v.boi', projectionDim);
  list.vector('v.eoi', projectionDim);
}

/** Two convolutions join squares and widen, then one matrix (HunyuanOCR). */
export function hunyuan(list: TensorList, dims: EncoderDims): void {
  const { embedding, merge, projectionDim } = dims;
  const wide = 2 * embedding;
  const hidden = dims.projectorHidden ?? 2 * wide;
  placedPatches(list, dims, EXACT_POSITIONS);
  plainBlocks(list, dims);
  list.vector('mm.pre_norm.weight', embedding);
  list.matrix('mm.0.weight', merge, merge, embedding, wide);
  list.vector('mm.0.bias', wide);
  list.matrix('mm.2.weight', 1, 1, wide, hidden);
  list.vector('mm.2.bias', hidden);
  linear(list, 'mm.model.fc', hidden, projectionDim);
  list.vector('mm.image_begin', projectionDim);
  list.vector('mm.image_end', projectionDim);
  list.vector('v.image_newline', hidden);
  list.vector('mm.post_norm.weight', projectionDim);
}

/** SigLIP2 with windows and rotary positions only (Youtu-VL). */
export function youtuvl(list: TensorList, dims: EncoderDims): void {
  const { embedding, patchSize, projectionDim } = dims;
  linear(list, 'v.patch_embd', 3 * patchSize * patchSize, embedding);
  plainBlocks(list, dims);
  norm(list, 'v.post_ln', embedding);
  list.vector('mm.input_norm.weight', embedding);
  linear(list, 'mm.0', joinedWidth(dims), joinedWidth(dims));
  linear(list, 'mm.2', joinedWidth(dims), projectionDim);
}

/** Two convolutions, each of which doubles the width (Step3-VL). */
export function step3vl(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim } = dims;
  patches(list, 'v.patch_embd.weight', dims);
  list.add('v.position_embd.weight', [embedding, positionRows(dims)], 'F32');
  norm(list, 'v.pre_ln', embedding);
  fusedBlocks(list, dims, true);
  list.matrix('mm.0.weight', 3, 3, embedding, 2 * embedding);
  list.vector('mm.0.bias', 2 * embedding);
  list.matrix('mm.1.weight', 3, 3, 2 * embedding, 4 * embedding);
  list.vector('mm.1.bias', 4 * embedding);
  linear(list, 'mm.model.fc', 4 * embedding, projectionDim, false);
}

/** Register tokens in place of a class token, no bias in the projector (Nemotron Nano VL). */
export function nemotron(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward, projectionDim } = dims;
  const hidden = dims.projectorHidden ?? projectionDim;
  list.add('v.class_embd', [embedding, REGISTERS], 'F32');
  patches(list, 'v.patch_embd.weight', dims);
  list.add('v.position_embd.weight', [embedding, positionRows(dims)], 'F32');
  blocks(dims, (prefix) => {
    norm(list, `${prefix}.ln1`, embedding);
    attention(list, prefix, embedding);
    linear(list, `${prefix}.attn_out`, embedding, embedding);
    norm(list, `${prefix}.ln2`, embedding);
    linear(list, `${prefix}.ffn_up`, embedding, feedForward);
    linear(list, `${prefix}.ffn_down`, feedForward, embedding);
  });
  list.vector('mm.model.mlp.0.weight', joinedWidth(dims));
  linear(list, 'mm.model.mlp.1', joinedWidth(dims), hidden, false);
  linear(list, 'mm.model.mlp.3', hidden, projectionDim, false);
}

const REGISTERS = 10;
