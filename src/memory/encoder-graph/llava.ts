import type { Graph, GraphTensor } from '../graph/tensor.ts';
import { compute, elementwise, permute, reshape, rows as pickRows } from '../graph/tensor.ts';
import { activate, add, concat, convolve, pack, plainNorm, pool, swapSides } from './ops.ts';
import type { Scene } from './scene.ts';
import { vitBlocks } from './vit.ts';

/** Tokens of a side of MobileVLM's square, whatever the file says (`n_patch` in models/llava.cpp). */
const LDP_SIDE = 24;

/** LLaVA-1.5 and 1.6, Granite Vision (models/llava.cpp). */
export function llava(scene: Scene): Graph {
  return scene.finish(projectRows(scene, patchFeatures(scene)));
}

/** CLIP or SigLIP: its last block's output, or those of the feature layers side by side. */
function tower(scene: Scene): GraphTensor {
  const { featureLayers } = scene.encoder;
  let x = scene.patchRows();
  const classToken = scene.find('v.class_embd');
  if (classToken) x = concat(x, classToken, 1);
  x = add(x, pickRows(scene.get('v.position_embd.weight'), scene.indices(x.shape[1])));
  if (scene.find('v.pre_ln.weight')) x = scene.norm(x, 'v.pre_ln', 'layer');
  const features: GraphTensor[] = [];
  const end =
    featureLayers === undefined
      ? scene.blocks
      : Math.min(Math.max(...featureLayers), scene.everyBlock);
  const keep = (entry: GraphTensor, index: number) => {
    if (featureLayers?.includes(index) === true) features.push(entry);
  };
  x = vitBlocks(scene, x, { norm: 'layer' }, [0, end], keep);
  if (scene.find('v.post_ln.weight')) x = scene.norm(x, 'v.post_ln', 'layer');
  keep(x, end);
  const [first = x, ...others] = features;
  return others.reduce((joined, feature) => concat(joined, feature, 0), first);
}

function patchFeatures(scene: Scene): GraphTensor {
  const seen = tower(scene);
  const rows = reshape(seen, seen.shape[0], seen.shape[1]);
  return pickRows(rows, scene.indices(scene.patches));
}

/** Two matrices, or three with norms between them (Yi). */
function projectRows(scene: Scene, patches: GraphTensor): GraphTensor {
  if (scene.find('mm.3.weight')) {
    const first = scene.norm(scene.linear(patches, 'mm.0'), 'mm.1', 'layer');
    return scene.norm(scene.linear(activate(first), 'mm.3'), 'mm.4', 'layer');
  }
  const active = activate(scene.linear(patches, 'mm.0'));
  return scene.find('mm.2.weight') ? scene.linear(active, 'mm.2') : active;
}

/** Rows of the square as a picture: columns, rows, channels. */
function asPicture(x: GraphTensor): GraphTensor {
  return pack(swapSides(x), [LDP_SIDE, LDP_SIDE, x.shape[0]]);
}

const channelsFirst = (x: GraphTensor) => pack(permute(x, [1, 2, 0, 3]));
const channelsLast = (x: GraphTensor) => pack(permute(x, [2, 0, 1, 3]));

/** MobileVLM: two blocks of depthwise convolution, the second of which halves the square. */
export function ldp(scene: Scene): Graph {
  const active = activate(scene.linear(patchFeatures(scene), 'mm.model.mlp.1'));
  const entry = asPicture(scene.linear(active, 'mm.model.mlp.3'));
  const first = channelsLast(mobileBlock(scene, entry, 'mm.model.mb_block.1.block', 1));
  const second = mobileBlock(scene, add(entry, first), 'mm.model.mb_block.2.block', 2);
  return scene.finish(reshape(second, second.shape[0], second.shape[1] * second.shape[2]));
}

/** Depthwise convolution, a gate from the mean of each channel, one matrix: channels in front. */
function mobileBlock(scene: Scene, x: GraphTensor, name: string, stride: number): GraphTensor {
  const spread = channelsFirst(depthwise(scene, x, `${name}.0.0`, stride));
  const normed = channelsLast(scene.norm(spread, `${name}.0.1`, 'layer'));
  const active = activate(normed);
  const [columns, rows, width] = active.shape;
  const means = reshape(compute('POOL_2D', [1, 1, width], [active]), width);
  const narrow = activate(scene.linear(means, `${name}.1.fc1`));
  const gate = activate(scene.linear(narrow, `${name}.1.fc2`));
  const gated = elementwise('MUL', active, reshape(gate, 1, 1, gate.shape[0]));
  const flat = pack(permute(reshape(gated, columns * rows, width), [1, 0, 2, 3]));
  const product = scene.linear(flat, `${name}.2.0`);
  return scene.norm(reshape(product, product.shape[0], columns, rows), `${name}.2.1`, 'layer');
}

/** MobileVLM 2: averaged squares, and one depthwise convolution added to them. */
export function ldpv2(scene: Scene): Graph {
  const active = activate(scene.linear(patchFeatures(scene), 'mm.model.mlp.0'));
  const picture = asPicture(scene.linear(active, 'mm.model.mlp.2'));
  const averaged = pool(picture, 2);
  const spread = channelsFirst(depthwise(scene, averaged, 'mm.model.peg.0', 1));
  const biased = scene.bias(spread, 'mm.model.peg.0.bias');
  const sum = add(biased, channelsFirst(averaged));
  return scene.finish(reshape(sum, sum.shape[0], sum.shape[1] * sum.shape[2]));
}

/** Three by three pixels of each channel by itself (`ggml_conv_2d_dw`). */
function depthwise(scene: Scene, x: GraphTensor, name: string, stride: number): GraphTensor {
  const kernel = scene.get(`${name}.weight`);
  const [columns, rows, channels] = x.shape;
  const steps = (length: number) => Math.floor((length - 1) / stride) + 1;
  const [across, down] = [steps(columns), steps(rows)];
  const single = reshape(x, columns, rows, 1, channels);
  const area = kernel.shape[0] * kernel.shape[1];
  const unrolled = compute('IM2COL', [area, across, down, channels], [kernel, single], 'f16');
  const product = compute(
    'MUL_MAT',
    [1, across * down, channels],
    [reshape(kernel, area, 1, channels), reshape(unrolled, area, across * down, channels)],
  );
  return reshape(product, across, down, channels);
}

/** GLM-Edge: a convolution joins squares, then a gated feed-forward; start and end come with the image. */
export function glmEdge(scene: Scene): Graph {
  const seen = tower(scene);
  const side = Math.floor(Math.sqrt(seen.shape[1]));
  const grid = pack(swapSides(seen), [side, side, seen.shape[0]]);
  const joined = convolve(grid, scene.get('adapter.conv.weight'));
  const [columns, rows, width] = joined.shape;
  const flat = pack(permute(reshape(joined, columns * rows, width), [1, 0, 2, 3]));
  const biased = scene.bias(flat, 'adapter.conv.bias');
  const linear = scene.linear(biased, 'adapter.linear.linear');
  const scaled = scene.scale(plainNorm(linear, 'layer'), 'adapter.linear.norm1.weight');
  const entry = activate(scene.bias(scaled, 'adapter.linear.norm1.bias'));
  const gate = scene.linear(entry, 'adapter.linear.gate');
  const up = scene.linear(entry, 'adapter.linear.dense_h_to_4h');
  const active = compute('GLU', gate.shape, [gate, up]);
  const out = scene.linear(active, 'adapter.linear.dense_4h_to_h');
  return scene.finish(
    concat(concat(scene.get('adapter.boi'), out, 1), scene.get('adapter.eoi'), 1),
  );
}
