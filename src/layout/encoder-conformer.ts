import { attention, blocks, linear, norm } from './encoder-list.ts';
import type { EncoderDims } from './encoder-list.ts';
import type { TensorList } from './text.ts';

const POSITIONS = 1500;
const HALVINGS = 3;

/** Qwen3's own encoder: three convolutions over time and frequency, blocks with every bias. */
export function qwen3a(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward, projectionDim, melBins = 128, channels = 480 } = dims;
  for (let index = 1; index <= HALVINGS; index++) {
    list.matrix(`a.conv2d.${index}.weight`, 3, 3, index === 1 ? 1 : channels, channels);
    list.vector(`a.conv2d.${index}.bias`, channels);
  }
  list.matrix('a.conv_out.weight', channels * Math.ceil(melBins / 2 ** HALVINGS), embedding);
  list.add('a.position_embd.weight', [embedding, dims.positions ?? POSITIONS], 'F32');
  blocks(
    dims,
    (prefix) => {
      norm(list, `${prefix}.ln1`, embedding);
      attention(list, prefix, embedding);
      linear(list, `${prefix}.attn_out`, embedding, embedding);
      norm(list, `${prefix}.ln2`, embedding);
      linear(list, `${prefix}.ffn_up`, embedding, feedForward);
      linear(list, `${prefix}.ffn_down`, feedForward, embedding);
    },
    'a',
  );
  norm(list, 'a.post_ln', embedding);
  linear(list, 'mm.a.mlp.1', embedding, embedding);
  linear(list, 'mm.a.mlp.2', embedding, projectionDim);
}

/** No tower: one matrix. */
export function gemma4ua(list: TensorList, { melBins = 640, projectionDim }: EncoderDims): void {
  linear(list, 'mm.a.input_projection', melBins, projectionDim, false);
}

/** Taps of the convolution over time. */
const TAPS = 5;
const CHANNELS = [128, 32] as const;

/** The ears of Gemma 4 E2B and E4B: two convolutions, then a conformer without biases. */
export function gemma4a(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward, heads, projectionDim, melBins = 128 } = dims;
  const hidden = dims.projectorHidden ?? projectionDim;
  CHANNELS.forEach((channels, index) => {
    list.matrix(`a.conv1d.${index}.weight`, 3, 3, CHANNELS[index - 1] ?? 1, channels);
    list.vector(`a.conv1d.${index}.norm.weight`, channels);
  });
  const [, last] = CHANNELS;
  linear(list, 'a.input_projection', last * Math.ceil(melBins / 4), embedding, false);
  const half = (prefix: string, which: string) => {
    norm(list, `${prefix}.ffn_norm${which}`, embedding, false);
    linear(list, `${prefix}.ffn_up${which}`, embedding, feedForward, false);
    linear(list, `${prefix}.ffn_down${which}`, feedForward, embedding, false);
    norm(list, `${prefix}.ffn_post_norm${which}`, embedding, false);
  };
  blocks(
    dims,
    (prefix) => {
      half(prefix, '');
      norm(list, `${prefix}.attn_pre_norm`, embedding, false);
      attention(list, prefix, embedding, false);
      list.vector(`${prefix}.per_dim_scale.weight`, Math.floor(embedding / Math.max(heads, 1)));
      linear(list, `${prefix}.attn_k_rel`, embedding, embedding, false);
      linear(list, `${prefix}.attn_out`, embedding, embedding, false);
      norm(list, `${prefix}.attn_post_norm`, embedding, false);
      norm(list, `${prefix}.conv_norm`, embedding, false);
      linear(list, `${prefix}.conv_pw1`, embedding, 2 * embedding, false);
      list.add(`${prefix}.conv_dw.weight`, [TAPS, embedding], 'F32');
      norm(list, `${prefix}.norm_conv`, embedding, false);
      linear(list, `${prefix}.conv_pw2`, embedding, embedding, false);
      half(prefix, '_1');
      norm(list, `${prefix}.ln2`, embedding, false);
    },
    'a',
  );
  linear(list, 'a.pre_encode.out', embedding, hidden);
  linear(list, 'mm.a.input_projection', hidden, projectionDim, false);
}

/** Rows of LFM2-Audio's table of sounds (8 codebooks of 2049), which its file carries for its width alone. */
const SOUND_ROWS = 16_392;

/** LFM2-Audio: five convolutions over time and frequency, a conformer with every bias. */
export function lfm2a(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward, heads, projectionDim, melBins = 128, channels = 256 } = dims;
  const hidden = dims.projectorHidden ?? projectionDim;
  const kernels = [
    [0, 3, 1],
    [2, 3, 1],
    [3, 1, channels],
    [5, 3, 1],
    [6, 1, channels],
  ] as const;
  for (const [index, side, from] of kernels) {
    list.matrix(`a.conv1d.${index}.weight`, side, side, from, channels);
    list.add(`a.conv1d.${index}.bias`, [1, 1, channels], 'F32');
  }
  linear(list, 'a.pre_encode.out', channels * Math.ceil(melBins / 8), embedding);
  list.add('a.position_embd.weight', [projectionDim, dims.positions ?? SOUND_ROWS], 'F32');
  const size = Math.floor(embedding / Math.max(heads, 1));
  const half = (prefix: string, which: string) => {
    norm(list, `${prefix}.ffn_norm${which}`, embedding);
    linear(list, `${prefix}.ffn_up${which}`, embedding, feedForward);
    linear(list, `${prefix}.ffn_down${which}`, feedForward, embedding);
  };
  blocks(
    dims,
    (prefix) => {
      half(prefix, '');
      norm(list, `${prefix}.ln1`, embedding);
      attention(list, prefix, embedding);
      linear(list, `${prefix}.attn_out`, embedding, embedding);
      list.add(`${prefix}.pos_bias_u`, [size, heads], 'F32');
      list.add(`${prefix}.pos_bias_v`, [size, heads], 'F32');
      linear(list, `${prefix}.linear_pos`, embedding, embedding, false);
      norm(list, `${prefix}.norm_conv`, embedding);
      linear(list, `${prefix}.conv_pw1`, embedding, 2 * embedding);
      list.add(`${prefix}.conv_dw.weight`, [2 * TAPS - 1, embedding], 'F32');
      list.vector(`${prefix}.conv_dw.bias`, embedding);
      norm(list, `${prefix}.conv_norm`, embedding);
      linear(list, `${prefix}.conv_pw2`, embedding, embedding);
      half(prefix, '_1');
      norm(list, `${prefix}.ln2`, embedding);
    },
    'a',
  );
  norm(list, 'mm.a.mlp.0', embedding);
  linear(list, 'mm.a.mlp.1', embedding, hidden);
  linear(list, 'mm.a.mlp.3', hidden, projectionDim);
}
