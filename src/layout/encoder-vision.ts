import {
  attention,
  blocks,
  placedPatches,
  gatedBlocks,
  linear,
  norm,
  patches,
  plainBlocks,
  positionRows,
} from './encoder-list.ts';
import type { EncoderDims, PatchFormats } from './encoder-list.ts';
import type { TensorList } from './text.ts';

/** The Qwen towers have no position embedding (2-D rotary) and one patch matrix for each of two frames. */
function qwenTower(list: TensorList, dims: EncoderDims, gated: boolean): void {
  const { embedding, feedForward, merge, projectionDim } = dims;
  const merged = embedding * merge * merge;
  patches(list, 'v.patch_embd.weight', dims);
  patches(list, 'v.patch_embd.weight.1', dims);
  blocks(dims, (prefix) => {
    norm(list, `${prefix}.ln1`, embedding, !gated);
    attention(list, prefix, embedding);
    linear(list, `${prefix}.attn_out`, embedding, embedding);
    norm(list, `${prefix}.ln2`, embedding, !gated);
    if (gated) linear(list, `${prefix}.ffn_gate`, embedding, feedForward);
    linear(list, `${prefix}.ffn_up`, embedding, feedForward);
    linear(list, `${prefix}.ffn_down`, feedForward, embedding);
  });
  norm(list, 'v.post_ln', embedding, !gated);
  linear(list, 'mm.0', merged, merged);
  linear(list, 'mm.2', merged, projectionDim);
}

export function qwen2vl(list: TensorList, dims: EncoderDims): void {
  qwenTower(list, dims, false);
}

export function qwen25vl(list: TensorList, dims: EncoderDims): void {
  qwenTower(list, dims, true);
}

/** Learned positions beside the rotary ones, q, k and v joined, features of some blocks kept. */
export function qwen3vl(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward, merge, projectionDim } = dims;
  const merged = embedding * merge * merge;
  patches(list, 'v.patch_embd.weight', dims);
  patches(list, 'v.patch_embd.weight.1', dims);
  list.vector('v.patch_embd.bias', embedding);
  list.add('v.position_embd.weight', [embedding, positionRows(dims)], 'F32');
  blocks(dims, (prefix) => {
    norm(list, `${prefix}.ln1`, embedding);
    linear(list, `${prefix}.attn_qkv`, embedding, 3 * embedding);
    linear(list, `${prefix}.attn_out`, embedding, embedding);
    norm(list, `${prefix}.ln2`, embedding);
    linear(list, `${prefix}.ffn_up`, embedding, feedForward);
    linear(list, `${prefix}.ffn_down`, feedForward, embedding);
  });
  norm(list, 'v.post_ln', embedding);
  for (const block of dims.deepstack ?? []) {
    norm(list, `v.deepstack.${block}.norm`, merged);
    linear(list, `v.deepstack.${block}.fc1`, merged, merged);
    linear(list, `v.deepstack.${block}.fc2`, merged, projectionDim);
  }
  linear(list, 'mm.0', merged, merged);
  linear(list, 'mm.2', merged, projectionDim);
}

/** Squares of patches meet in a convolution; the projector is a gated feed-forward of its own. */
export function glm4v(list: TensorList, dims: EncoderDims): void {
  const { embedding, merge, projectionDim } = dims;
  const hidden = dims.projectorHidden ?? projectionDim;
  patches(list, 'v.patch_embd.weight', dims);
  patches(list, 'v.patch_embd.weight.1', dims);
  list.vector('v.patch_embd.bias', embedding);
  list.vector('v.norm_embd.weight', embedding);
  list.add('v.position_embd.weight', [embedding, positionRows(dims)], 'F32');
  gatedBlocks(list, dims, (prefix) =>
    linear(list, `${prefix}.attn_qkv`, embedding, 3 * embedding, false),
  );
  norm(list, 'v.post_ln', embedding, false);
  list.matrix('mm.patch_merger.weight', merge, merge, embedding, projectionDim);
  list.vector('mm.patch_merger.bias', projectionDim);
  linear(list, 'mm.model.fc', projectionDim, projectionDim, false);
  norm(list, 'mm.post_norm', projectionDim);
  linear(list, 'mm.up', projectionDim, hidden, false);
  linear(list, 'mm.gate', projectionDim, hidden, false);
  linear(list, 'mm.down', hidden, projectionDim, false);
}

/** InternViT with layer scales; the projector norms the merged patches before its two matrices. */
export function internvl(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward, merge, projectionDim } = dims;
  const rms = dims.rmsNorm ?? false;
  const merged = embedding * merge * merge;
  list.vector('v.class_embd', embedding);
  patches(list, 'v.patch_embd.weight', dims);
  list.vector('v.patch_embd.bias', embedding);
  // Added to the patches as it is, so the converter keeps it in F32.
  list.add('v.position_embd.weight', [embedding, positionRows(dims) + 1], 'F32');
  blocks(dims, (prefix) => {
    norm(list, `${prefix}.ln1`, embedding, !rms);
    attention(list, prefix, embedding, !rms);
    linear(list, `${prefix}.attn_out`, embedding, embedding);
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
  norm(list, 'mm.model.mlp.0', merged);
  linear(list, 'mm.model.mlp.1', merged, projectionDim);
  linear(list, 'mm.model.mlp.3', projectionDim, projectionDim);
}

const EXACT: PatchFormats = { patch: 'F32', positions: 'F32' };
const EXACT_POSITIONS: PatchFormats = { patch: 'F16', positions: 'F32' };
const HALF: PatchFormats = { patch: 'F16', positions: 'F16' };

/** SigLIP; one matrix after the averaged squares, stored with its output first. */
export function gemma3(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim } = dims;
  siglip(list, dims);
  list.matrix('mm.input_projection.weight', projectionDim, embedding);
  list.vector('mm.soft_emb_norm.weight', embedding);
}

function siglip(list: TensorList, dims: EncoderDims, formats: PatchFormats = EXACT): void {
  placedPatches(list, dims, formats);
  plainBlocks(list, dims);
  norm(list, 'v.post_ln', dims.embedding);
}

/** SigLIP; one matrix over the joined squares (Idefics3, SmolVLM). */
export function idefics3(list: TensorList, dims: EncoderDims): void {
  const { embedding, merge, projectionDim } = dims;
  siglip(list, dims);
  linear(list, 'mm.model.fc', embedding * merge * merge, projectionDim, false);
}

/** SigLIP2; two matrices over the joined squares. */
export function lfm2(list: TensorList, dims: EncoderDims): void {
  const { embedding, merge, projectionDim } = dims;
  const merged = embedding * merge * merge;
  const hidden = dims.projectorHidden ?? projectionDim;
  siglip(list, dims, EXACT_POSITIONS);
  norm(list, 'mm.input_norm', merged);
  linear(list, 'mm.1', merged, hidden);
  linear(list, 'mm.2', hidden, projectionDim);
}

/** MoonViT: the norm comes before the squares are joined. */
export function kimivl(list: TensorList, dims: EncoderDims): void {
  const { embedding, merge, projectionDim } = dims;
  const merged = embedding * merge * merge;
  siglip(list, dims, EXACT_POSITIONS);
  norm(list, 'mm.input_norm', embedding);
  linear(list, 'mm.1', merged, merged);
  linear(list, 'mm.2', merged, projectionDim);
}

/** SigLIP; learned queries read it in one attention (MiniCPM-V 2.5 to 4.5). */
export function minicpmv(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim } = dims;
  siglip(list, dims, HALF);
  list.add('resampler.query', [projectionDim, dims.queries ?? 64], 'F32');
  list.add('resampler.pos_embed_k', [projectionDim, positionRows(dims)], 'F32');
  linear(list, 'resampler.kv', embedding, projectionDim, false);
  for (const part of ['q', 'k', 'v', 'out']) {
    linear(list, `resampler.attn.${part}`, projectionDim, projectionDim);
  }
  for (const part of ['q', 'kv', 'post']) norm(list, `resampler.ln_${part}`, projectionDim);
  linear(list, 'resampler.proj', projectionDim, projectionDim, false);
}

/** SigLIP; squares of patches become one in the middle of the tower and again after it (MiniCPM-V 4.6). */
export function minicpmv46(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward, merge, projectionDim } = dims;
  const joined = 4 * embedding;
  siglip(list, dims, HALF);
  if (merge > 2) {
    norm(list, 'v.vit_merger.ln1', embedding);
    attention(list, 'v.vit_merger', embedding);
    linear(list, 'v.vit_merger.attn_out', embedding, embedding);
    norm(list, 'v.vit_merger.ds_ln', joined);
    linear(list, 'v.vit_merger.ds_ffn_up', joined, 4 * feedForward);
    linear(list, 'v.vit_merger.ds_ffn_down', 4 * feedForward, embedding);
  }
  norm(list, 'mm.input_norm', joined);
  linear(list, 'mm.up', joined, joined);
  linear(list, 'mm.down', joined, projectionDim);
}

/** Pixtral, and Mistral Small 3.1 which joins squares before its two matrices. */
export function pixtral(list: TensorList, dims: EncoderDims): void {
  const { embedding, merge, projectionDim } = dims;
  const bias = dims.projectorBias ?? merge === 1;
  patches(list, 'v.patch_embd.weight', dims);
  norm(list, 'v.pre_ln', embedding, false);
  gatedBlocks(list, dims, (prefix) => attention(list, prefix, embedding, false));
  // LightOnOCR has the same tower and no row breaks.
  if (dims.projectorType !== 'lightonocr') {
    list.vector('v.token_embd.img_break', projectionDim);
  }
  if (merge > 1) {
    list.vector('mm.input_norm.weight', embedding);
    linear(list, 'mm.patch_merger', embedding * merge * merge, embedding, false);
  }
  linear(list, 'mm.1', embedding, projectionDim, bias);
  linear(list, 'mm.2', projectionDim, projectionDim, bias);
}

/** ViT with a class token at the end; pixel shuffle, two matrices, one more into the language model. */
export function llama4(list: TensorList, dims: EncoderDims): void {
  const { embedding, merge, patchSize, projectionDim } = dims;
  const hidden = dims.projectorHidden ?? 4096;
  list.vector('v.class_embd', embedding);
  list.matrix('v.patch_embd.weight', patchSize * patchSize * 3, embedding);
  list.matrix('v.position_embd.weight', embedding, positionRows(dims) + 1);
  norm(list, 'v.pre_ln', embedding);
  plainBlocks(list, dims);
  norm(list, 'v.post_ln', embedding);
  linear(list, 'mm.model.mlp.1', embedding * merge * merge, hidden, false);
  linear(list, 'mm.model.mlp.2', hidden, hidden, false);
  linear(list, 'mm.model.fc', hidden, projectionDim, false);
}

/** Positions by column and by row; norms around attention and feed-forward (Gemma 4). */
export function gemma4v(list: TensorList, dims: EncoderDims): void {
  const { embedding, heads, projectionDim } = dims;
  patches(list, 'v.patch_embd.weight', dims);
  list.add('v.position_embd.weight', [embedding, positionRows(dims), 2], 'F32');
  gatedBlocks(
    list,
    dims,
    (prefix) => {
      attention(list, prefix, embedding, false);
      list.vector(`${prefix}.attn_q_norm.weight`, embedding / heads);
      list.vector(`${prefix}.attn_k_norm.weight`, embedding / heads);
    },
    (prefix) => {
      list.vector(`${prefix}.attn_post_norm.weight`, embedding);
      list.vector(`${prefix}.ffn_post_norm.weight`, embedding);
    },
  );
  if (dims.standardize) {
    list.vector('v.std_bias', embedding);
    list.vector('v.std_scale', embedding);
  }
  linear(list, 'mm.input_projection', embedding, projectionDim, false);
}

/** No tower: large patches between three norms, positions by column and by row (Gemma 4 12B). */
export function gemma4uv(list: TensorList, dims: EncoderDims): void {
  const { embedding, merge, patchSize, projectionDim } = dims;
  const pixels = 3 * (patchSize * merge) ** 2;
  linear(list, 'v.patch_embd', pixels, embedding);
  for (const [at, width] of [pixels, embedding, embedding].entries()) {
    norm(list, `v.patch_norm.${at + 1}`, width);
  }
  list.add('v.position_embd.weight', [embedding, positionRows(dims), 2], 'F32');
  linear(list, 'mm.input_projection', embedding, projectionDim, false);
}
