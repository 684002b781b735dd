import { blocks, linear, norm } from './encoder-list.ts';
import type { EncoderDims } from './encoder-list.ts';
import type { TensorList } from './text.ts';

/** Steps of Whisper's encoder: 30 s of frames, halved once. */
const WHISPER_POSITIONS = 1500;
const WHISPER_TAPS = 3;

/** Whisper's encoder: two convolutions over time, then blocks whose k has no bias. */
function whisper(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward } = dims;
  const { melBins = 128, positions = WHISPER_POSITIONS } = dims;
  list.matrix('a.conv1d.1.weight', WHISPER_TAPS, melBins, embedding);
  list.add('a.conv1d.1.bias', [1, embedding], 'F32');
  list.matrix('a.conv1d.2.weight', WHISPER_TAPS, embedding, embedding);
  list.add('a.conv1d.2.bias', [1, embedding], 'F32');
  // The converter keeps both kinds of position tables in F32, and the engine aborts on others.
  list.add('a.position_embd.weight', [embedding, positions], 'F32');
  blocks(
    dims,
    (prefix) => {
      norm(list, `${prefix}.ln1`, embedding);
      linear(list, `${prefix}.attn_q`, embedding, embedding);
      linear(list, `${prefix}.attn_k`, embedding, embedding, false);
      linear(list, `${prefix}.attn_v`, embedding, embedding);
      linear(list, `${prefix}.attn_out`, embedding, embedding);
      norm(list, `${prefix}.ln2`, embedding);
      linear(list, `${prefix}.ffn_up`, embedding, feedForward);
      linear(list, `${prefix}.ffn_down`, feedForward, embedding);
    },
    'a',
  );
  norm(list, 'a.post_ln', embedding);
}

/** Stacked steps, a SwiGLU within one matrix, norms before and between. */
export function ultravox(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim, stack = 8 } = dims;
  const hidden = dims.projectorHidden ?? 2 * projectionDim;
  whisper(list, dims);
  list.vector('mm.a.norm_pre.weight', embedding * stack);
  linear(list, 'mm.a.mlp.1', embedding * stack, hidden, false);
  list.vector('mm.a.norm_mid.weight', hidden / 2);
  linear(list, 'mm.a.mlp.2', hidden / 2, projectionDim, false);
}

/** Stacked steps, two matrices. */
export function voxtral(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim, stack = 4 } = dims;
  whisper(list, dims);
  linear(list, 'mm.a.mlp.1', embedding * stack, projectionDim, false);
  linear(list, 'mm.a.mlp.2', projectionDim, projectionDim, false);
}

/** One matrix. */
export function qwen2a(list: TensorList, dims: EncoderDims): void {
  whisper(list, dims);
  linear(list, 'mm.a.fc', dims.embedding, dims.projectionDim);
}

/** Pairs of steps averaged, two matrices. */
export function musicflamingo(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim } = dims;
  whisper(list, dims);
  linear(list, 'mm.a.mlp.1', embedding, projectionDim);
  linear(list, 'mm.a.mlp.2', projectionDim, projectionDim);
}

/** A second norm, stacked steps, two matrices, the tokens around a clip. */
export function glma(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim, stack = 4 } = dims;
  const hidden = dims.projectorHidden ?? 2 * projectionDim;
  whisper(list, dims);
  norm(list, 'mm.a.norm_pre', embedding);
  linear(list, 'mm.a.mlp.1', embedding * stack, hidden);
  linear(list, 'mm.a.mlp.2', hidden, projectionDim);
  list.vector('v.boi', projectionDim);
  list.vector('v.eoi', projectionDim);
}

/** Stacked steps, a narrow width, two branches of it, one matrix. */
export function meralion(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim, stack = 15 } = dims;
  const wide = embedding * stack;
  const hidden = dims.projectorHidden ?? Math.floor(wide / 3);
  whisper(list, dims);
  norm(list, 'mm.a.norm_pre', wide);
  linear(list, 'mm.a.mlp.0', wide, hidden);
  linear(list, 'mm.a.mlp.1', hidden, hidden);
  linear(list, 'mm.a.mlp.2', hidden, hidden);
  linear(list, 'mm.a.mlp.3', hidden, projectionDim);
}
