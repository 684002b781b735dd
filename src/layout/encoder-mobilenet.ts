import { linear } from './encoder-list.ts';
import type { EncoderDims } from './encoder-list.ts';
import type { TensorList } from './text.ts';

/** A block of MobileNetV5: kernels of the depthwise convolutions (0: none), or heads of an attention. */
type Block =
  | { readonly kind: 'edge'; readonly expansion: number }
  | {
      readonly kind: 'inverted';
      readonly start: number;
      readonly middle: number;
      readonly expansion: number;
    }
  | {
      readonly kind: 'attention';
      readonly heads: number;
      readonly size: number;
      readonly halved: boolean;
    };

const STEM = 64;
/** Width between the two convolutions that fuse the last stages, over that of both together. */
const FUSION_EXPANSION = 2;

const edge: Block = { kind: 'edge', expansion: 4 };
const inverted = (start: number, middle: number, expansion: number): Block => ({
  kind: 'inverted',
  ...{ start, middle, expansion },
});
const times = (count: number, ...blocks: readonly Block[]): Block[] =>
  Array.from({ length: count }, () => blocks).flat();

/** The 300M encoder of Gemma 3n (timm, `mobilenetv5_300m_enc`). */
const STAGES: readonly { readonly width: number; readonly blocks: readonly Block[] }[] = [
  { width: 128, blocks: [edge, edge, edge] },
  { width: 256, blocks: [inverted(3, 5, 6), ...times(2, inverted(5, 0, 4), inverted(3, 0, 4))] },
  {
    width: 640,
    blocks: [
      inverted(5, 5, 6),
      ...times(7, inverted(5, 0, 4)),
      inverted(0, 0, 1),
      ...times(14, { kind: 'attention', heads: 12, size: 64, halved: true }, inverted(0, 0, 2)),
    ],
  },
  {
    width: 1280,
    blocks: [
      inverted(5, 5, 6),
      ...times(19, { kind: 'attention', heads: 16, size: 96, halved: false }, inverted(0, 0, 2)),
    ],
  },
];

/** Convolutions in four stages and one matrix (Gemma 3n). */
export function gemma3nv(list: TensorList, dims: EncoderDims): void {
  const { embedding, projectionDim } = dims;
  list.add('v.conv_stem.conv.weight', [3, 3, 3, STEM], 'F32');
  list.add('v.conv_stem.conv.bias', [1, 1, STEM], 'F32');
  list.vector('v.conv_stem.bn.weight', STEM);
  let width = STEM;
  STAGES.forEach((stage, at) => {
    stage.blocks.forEach((block, index) => {
      blockTensors(list, `v.blk.${at}.${index}`, block, width, stage.width);
      width = stage.width;
    });
  });
  const joined = STAGES.slice(-2).reduce((sum, stage) => sum + stage.width, 0);
  pointwise(list, 'v.msfa.ffn.pw_exp', joined, FUSION_EXPANSION * joined);
  pointwise(list, 'v.msfa.ffn.pw_proj', FUSION_EXPANSION * joined, embedding);
  list.vector('v.msfa.norm.weight', embedding);
  linear(list, 'mm.input_projection', embedding, projectionDim, false);
  list.vector('mm.soft_emb_norm.weight', embedding);
}

/** A convolution of one pixel with the norm after it. */
function pointwise(list: TensorList, name: string, input: number, output: number): void {
  list.matrix(`${name}.conv.weight`, 1, 1, input, output);
  list.vector(`${name}.bn.weight`, output);
}

function depthwise(list: TensorList, name: string, taps: number, width: number): void {
  if (taps === 0) return;
  list.matrix(`${name}.conv.weight`, taps, taps, 1, width);
  list.vector(`${name}.bn.weight`, width);
}

function blockTensors(
  list: TensorList,
  name: string,
  block: Block,
  input: number,
  output: number,
): void {
  if (block.kind === 'attention') {
    attentionTensors(list, name, block, output);
  } else if (block.kind === 'edge') {
    const wide = input * block.expansion;
    list.matrix(`${name}.conv_exp.weight`, 3, 3, input, wide);
    list.vector(`${name}.bn1.weight`, wide);
    list.matrix(`${name}.conv_pwl.weight`, 1, 1, wide, output);
    list.vector(`${name}.bn2.weight`, output);
  } else {
    const wide = input * block.expansion;
    depthwise(list, `${name}.dw_start`, block.start, input);
    pointwise(list, `${name}.pw_exp`, input, wide);
    depthwise(list, `${name}.dw_mid`, block.middle, wide);
    pointwise(list, `${name}.pw_proj`, wide, output);
    list.add(`${name}.layer_scale.gamma`, [1, 1, output], 'F32');
  }
}

function attentionTensors(
  list: TensorList,
  name: string,
  { heads, size, halved }: Extract<Block, { kind: 'attention' }>,
  width: number,
): void {
  list.vector(`${name}.norm.weight`, width);
  list.matrix(`${name}.attn.query.proj.weight`, 1, 1, width, heads * size);
  for (const part of ['key', 'value']) {
    if (halved) {
      list.matrix(`${name}.attn.${part}.down_conv.weight`, 3, 3, 1, width);
      list.vector(`${name}.attn.${part}.norm.weight`, width);
    }
    list.matrix(`${name}.attn.${part}.proj.weight`, 1, 1, width, size);
  }
  list.matrix(`${name}.attn.output.proj.weight`, 1, 1, heads * size, width);
  list.add(`${name}.layer_scale.gamma`, [1, 1, width], 'F32');
}
