import { linear, norm, patches, plainBlocks, positionRows } from './encoder-list.ts';
import type { EncoderDims } from './encoder-list.ts';
import type { TensorList } from './text.ts';

/** CLIP with a class token, or SigLIP with biased patches. */
function tower(list: TensorList, dims: EncoderDims): void {
  const { embedding, siglip = false } = dims;
  if (!siglip) list.vector('v.class_embd', embedding);
  patches(list, 'v.patch_embd.weight', dims);
  if (siglip) list.vector('v.patch_embd.bias', embedding);
  list.matrix('v.position_embd.weight', embedding, positionRows(dims) + (siglip ? 0 : 1));
  if (!siglip) norm(list, 'v.pre_ln', embedding);
  plainBlocks(list, dims);
}

/** Two matrices over the tower (LLaVA-1.5), or over several of its blocks side by side (Granite Vision). */
export function llava(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim, featureLayers } = dims;
  const hidden = dims.projectorHidden ?? projectionDim;
  tower(list, dims);
  // Features are taken before it, and the converter leaves it out where the file names them.
  if (featureLayers === undefined) norm(list, 'v.post_ln', embedding);
  linear(list, 'mm.0', embedding * (featureLayers?.length ?? 1), hidden);
  linear(list, 'mm.2', hidden, projectionDim);
}

/** MobileVLM narrows to a quarter between the two matrices of its gates. */
const GATE_SHARE = 4;

/** MobileVLM. */
export function ldp(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim: width } = dims;
  tower(list, dims);
  linear(list, 'mm.model.mlp.1', embedding, width);
  linear(list, 'mm.model.mlp.3', width, width);
  for (const block of ['mm.model.mb_block.1.block', 'mm.model.mb_block.2.block']) {
    list.matrix(`${block}.0.0.weight`, 3, 3, 1, width);
    norm(list, `${block}.0.1`, width);
    linear(list, `${block}.1.fc1`, width, width / GATE_SHARE);
    linear(list, `${block}.1.fc2`, width / GATE_SHARE, width);
    linear(list, `${block}.2.0`, width, width, false);
    norm(list, `${block}.2.1`, width);
  }
}

/** MobileVLM 2. */
export function ldpv2(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim: width } = dims;
  tower(list, dims);
  linear(list, 'mm.model.mlp.0', embedding, width);
  linear(list, 'mm.model.mlp.2', width, width);
  list.matrix('mm.model.peg.0.weight', 3, 3, 1, width);
  list.vector('mm.model.peg.0.bias', width);
}

/** SigLIP; a convolution and a gated feed-forward, with embeddings for start and end (GLM-Edge). */
export function glmEdge(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim: width } = dims;
  const hidden = dims.projectorHidden ?? width;
  tower(list, dims);
  norm(list, 'v.post_ln', embedding);
  list.matrix('adapter.conv.weight', 2, 2, embedding, width);
  list.vector('adapter.conv.bias', width);
  linear(list, 'adapter.linear.linear', width, width, false);
  norm(list, 'adapter.linear.norm1', width);
  linear(list, 'adapter.linear.dense_h_to_4h', width, hidden, false);
  linear(list, 'adapter.linear.gate', width, hidden, false);
  linear(list, 'adapter.linear.dense_4h_to_h', hidden, width, false);
  list.vector('adapter.boi', width);
  list.vector('adapter.eoi', width);
}
