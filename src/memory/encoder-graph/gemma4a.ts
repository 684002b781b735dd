import type { Graph, GraphTensor } from '../graph/tensor.ts';
import {
  compute,
  elementwise,
  input,
  matrixProduct,
  overwrite,
  permute,
  reshape,
  view,
} from '../graph/tensor.ts';
import { activate, add, convolve, pack, plainNorm, swapSides } from './ops.ts';
import type { Scene } from './scene.ts';

const F32 = 4;
/** Steps of a block of attention, and steps before it that it sees. */
const BLOCK = 12;
const PAST = 12;
const SEEN = BLOCK + PAST;
const DISTANCES = PAST + 1;
/** Taps of the convolution over time before the present one. */
const TAPS_BEFORE = 4;

type Positions = { readonly distances: GraphTensor; readonly mask: GraphTensor };

/** The ears of Gemma 4 E2B and E4B (models/gemma4a.cpp): a conformer that attends within blocks. */
export function gemma4a(scene: Scene): Graph {
  let x = subsampled(scene);
  const steps = x.shape[1];
  const width = scene.encoder.heads * scene.headSize;
  const positions = {
    distances: input('f32', width, DISTANCES),
    mask: input('f32', SEEN, BLOCK, Math.ceil(steps / BLOCK)),
  };
  for (let index = 0; index < scene.blocks; index++) {
    x = block(scene, x, `a.blk.${index}`, positions);
  }
  if (scene.find('a.pre_encode.out.weight')) x = clamped(scene, x, 'a.pre_encode.out');
  const normed = scene.scale(plainNorm(x, 'rms'), 'mm.a.soft_emb_norm.weight');
  const last = scene.find('mm.a.input_projection.weight');
  return scene.finish(last === null ? normed : clamped(scene, normed, 'mm.a.input_projection'));
}

/** No tower at all (models/gemma4ua.cpp): 640 samples of the wave go through one matrix. */
export function gemma4ua(scene: Scene): Graph {
  const wave = pack(permute(scene.picture(1), [1, 0, 2, 3]));
  const normed = plainNorm(wave, 'rms');
  return scene.finish(matrixProduct(scene.get('mm.a.input_projection.weight'), normed));
}

/** A matrix whose input and output are kept within limits, in place. */
function clamped(scene: Scene, x: GraphTensor, name: string): GraphTensor {
  const product = matrixProduct(scene.get(`${name}.weight`), overwrite('CLAMP', x));
  return scene.bias(overwrite('CLAMP', product), `${name}.bias`);
}

/** Two convolutions that halve time and frequency, a norm over the channels after each. */
function subsampled(scene: Scene): GraphTensor {
  let x = pack(swapSides(scene.picture(1)));
  for (const name of ['a.conv1d.0', 'a.conv1d.1']) {
    x = scene.bias(
      convolve(x, scene.get(`${name}.weight`), { stride: 2, padding: 1 }),
      `${name}.bias`,
    );
    if (scene.find(`${name}.norm.weight`)) {
      const channelsFirst = plainNorm(pack(permute(x, [1, 2, 0, 3])), 'layer');
      x = pack(permute(scene.scale(channelsFirst, `${name}.norm.weight`), [2, 0, 1, 3]));
    }
    x = activate(x);
  }
  x = pack(permute(x, [1, 2, 0, 3]));
  return clamped(scene, reshape(x, x.shape[0] * x.shape[1], x.shape[2]), 'a.input_projection');
}

function block(scene: Scene, x: GraphTensor, name: string, positions: Positions): GraphTensor {
  const fed = halfStep(scene, x, name, '');
  const normed = scene.find(`${name}.attn_pre_norm.weight`)
    ? scene.norm(fed, `${name}.attn_pre_norm`, 'rms')
    : scene.norm(fed, `${name}.ln1`, 'rms');
  const attended = clamped(scene, attention(scene, normed, name, positions), `${name}.attn_out`);
  const heard = add(fed, postNormed(scene, attended, `${name}.attn_post_norm`));
  const convolved = add(heard, overTime(scene, heard, name));
  const done = halfStep(scene, convolved, name, '_1');
  return scene.find(`${name}.ln2.weight`) ? scene.norm(done, `${name}.ln2`, 'rms') : done;
}

/** Half of a feed-forward, before the attention and behind the convolution. */
function halfStep(scene: Scene, x: GraphTensor, name: string, which: '' | '_1'): GraphTensor {
  const normed = scene.norm(x, `${name}.ffn_norm${which}`, 'rms');
  const up = activate(clamped(scene, normed, `${name}.ffn_up${which}`));
  const down = clamped(scene, up, `${name}.ffn_down${which}`);
  return add(x, elementwise('SCALE', postNormed(scene, down, `${name}.ffn_post_norm${which}`)));
}

function postNormed(scene: Scene, x: GraphTensor, name: string): GraphTensor {
  return scene.find(`${name}.weight`) ? scene.norm(x, name, 'rms') : x;
}

function attention(
  scene: Scene,
  x: GraphTensor,
  name: string,
  { distances, mask }: Positions,
): GraphTensor {
  const { heads } = scene.encoder;
  const size = scene.headSize;
  const steps = x.shape[1];
  const count = Math.ceil(steps / BLOCK);
  const part = (which: 'q' | 'k' | 'v') =>
    reshape(clamped(scene, x, `${name}.attn_${which}`), size, heads, steps);
  const [q, k, v] = [part('q'), part('k'), part('v')];
  const queries = scene.scale(elementwise('SCALE', q), `${name}.per_dim_scale.weight`);
  const keys = scene.scale(elementwise('SCALE', k), `${name}.per_dim_k_scale.weight`);
  const padded = compute('PAD', [size, heads, BLOCK * count], [queries]);
  const blocks = pack(permute(reshape(padded, size, heads, BLOCK, count), [0, 3, 1, 2]));
  const seenKeys = pack(permute(overlapping(keys, count), [0, 3, 1, 2]));
  const seenValues = pack(permute(overlapping(v, count), [1, 3, 0, 2]));
  const content = matrixProduct(seenKeys, blocks);
  const near = scene.find(`${name}.attn_k_rel.weight`);
  const raw = near === null ? content : add(content, byDistance(near, distances, blocks, size));
  const capped = elementwise('SCALE', activate(elementwise('SCALE', raw)));
  const weights = elementwise('SOFT_MAX', add(capped, mask));
  const mixed = pack(permute(matrixProduct(seenValues, weights), [0, 2, 3, 1]));
  const whole = pack(mixed, [size * heads, BLOCK * count]);
  return steps === BLOCK * count ? whole : pack(view(whole, [size * heads, steps]));
}

/** Windows of what a block sees, each a copy: the next begins a block later. */
function overlapping(x: GraphTensor, count: number): GraphTensor {
  const [size, heads] = x.shape;
  const padded = compute('PAD', [size, heads, SEEN * count], [x]);
  const rolled = pack(compute('ROLL', padded.shape, [padded]));
  const step = F32 * size * heads;
  return pack(view(rolled, [size, heads, SEEN, count], [F32 * size, step, BLOCK * step]));
}

function byDistance(
  matrix: GraphTensor,
  distances: GraphTensor,
  blocks: GraphTensor,
  size: number,
): GraphTensor {
  const [, , count, heads] = blocks.shape;
  const projected = reshape(matrixProduct(matrix, distances), size, heads, DISTANCES);
  const table = pack(permute(projected, [0, 2, 1, 3]));
  const flat = reshape(blocks, size, BLOCK * count, heads);
  const raw = reshape(matrixProduct(table, flat), DISTANCES, BLOCK, count, heads);
  const padded = compute('PAD', [SEEN + 1, BLOCK, count, heads], [raw]);
  const row = (SEEN + 1) * BLOCK;
  const lines = reshape(padded, row, count, heads);
  const shifted = pack(view(lines, [BLOCK * SEEN, count, heads], lines.strides.slice(1, 3)));
  return reshape(shifted, SEEN, BLOCK, count, heads);
}

/** A gate, then a convolution over the present and the past. */
function overTime(scene: Scene, x: GraphTensor, name: string): GraphTensor {
  const normed = scene.norm(x, `${name}.conv_norm`, 'rms');
  const both = clamped(scene, normed, `${name}.conv_pw1`);
  const width = both.shape[0] / 2;
  const half = () => view(both, [width, both.shape[1]], [both.strides[1]]);
  const gate = activate(pack(half()));
  const gated = pack(swapSides(elementwise('MUL', half(), gate)));
  const steps = gated.shape[0];
  const padded = compute('PAD', [steps + TAPS_BEFORE, width], [gated]);
  const rolled = compute('ROLL', padded.shape, [padded]);
  const kernel = scene.get(`${name}.conv_dw.weight`);
  const convolved = compute('SSM_CONV', [width, steps], [rolled, kernel]);
  const biased = scene.bias(convolved, `${name}.conv_dw.bias`);
  const ready = scene.find(`${name}.norm_conv.weight`)
    ? scene.norm(biased, `${name}.norm_conv`, 'rms')
    : biased;
  return clamped(scene, activate(ready), `${name}.conv_pw2`);
}
