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
import { activate, add, convolve, pack, swapSides } from './ops.ts';
import type { Scene } from './scene.ts';

/** Taps of the convolution over time before and behind the present one. */
const TAPS_BESIDE = 4;

/** The ears of LFM2-Audio (models/conformer.cpp): every step attends to every other by their distance. */
export function lfm2a(scene: Scene): Graph {
  const { embedding } = scene.encoder;
  const steps = Math.ceil(scene.size.width / 8);
  const distances = input('f32', embedding, 2 * steps - 1);
  let x = subsampled(scene);
  for (let index = 0; index < scene.blocks; index++) {
    x = block(scene, x, `a.blk.${index}`, distances);
  }
  const normed = scene.norm(x, 'mm.a.mlp.0', 'layer');
  return scene.finish(scene.feedForward(normed, 'mm.a.mlp.1', null, 'mm.a.mlp.3'));
}

/** Five convolutions, of which three halve time and frequency. */
function subsampled(scene: Scene): GraphTensor {
  let x = pack(swapSides(scene.picture(1)));
  x = biased(scene, convolve(x, scene.get('a.conv1d.0.weight'), { stride: 2, padding: 1 }), 0);
  x = overwrite('UNARY', x);
  for (const [deep, flat] of [
    [2, 3],
    [5, 6],
  ] as const) {
    const [across, down, channels] = x.shape;
    const half = [Math.ceil(across / 2), Math.ceil(down / 2), channels];
    const kernel = scene.get(`a.conv1d.${deep}.weight`);
    x = biased(scene, compute('CONV_2D_DW', half, [kernel, x]), deep);
    const mixing = scene.get(`a.conv1d.${flat}.weight`);
    x = compute('CONV_2D', [half[0] ?? 0, half[1] ?? 0, mixing.shape[3]], [mixing, x]);
    x = overwrite('UNARY', biased(scene, x, flat));
  }
  x = pack(permute(x, [0, 2, 1, 3]));
  return scene.linear(reshape(x, x.shape[0] * x.shape[1], x.shape[2]), 'a.pre_encode.out');
}

const biased = (scene: Scene, x: GraphTensor, index: number) =>
  scene.bias(x, `a.conv1d.${index}.bias`);

function block(scene: Scene, x: GraphTensor, name: string, distances: GraphTensor): GraphTensor {
  const fed = halfStep(scene, x, name, '');
  const normed = scene.norm(fed, `${name}.ln1`, 'layer');
  const heard = add(fed, attention(scene, normed, name, distances));
  const done = add(heard, overTime(scene, heard, name));
  return scene.norm(halfStep(scene, done, name, '_1'), `${name}.ln2`, 'layer');
}

function halfStep(scene: Scene, x: GraphTensor, name: string, which: '' | '_1'): GraphTensor {
  const normed = scene.norm(x, `${name}.ffn_norm${which}`, 'layer');
  const [up, down] = [`${name}.ffn_up${which}`, `${name}.ffn_down${which}`];
  return add(x, elementwise('SCALE', scene.feedForward(normed, up, null, down)));
}

function attention(
  scene: Scene,
  x: GraphTensor,
  name: string,
  distances: GraphTensor,
): GraphTensor {
  const { heads } = scene.encoder;
  const size = scene.headSize;
  const steps = x.shape[1];
  const part = (which: 'q' | 'k' | 'v') =>
    reshape(scene.linear(x, `${name}.attn_${which}`), size, heads, steps);
  const q = part('q');
  const byContent = permute(add(q, scene.get(`${name}.pos_bias_u`)), [0, 2, 1, 3]);
  const byPlace = permute(add(q, scene.get(`${name}.pos_bias_v`)), [0, 2, 1, 3]);
  const k = pack(permute(part('k'), [0, 2, 1, 3]));
  const v = pack(permute(part('v'), [1, 2, 0, 3]));
  const content = pack(permute(matrixProduct(byContent, k), [1, 0, 2, 3]));
  const projected = matrixProduct(scene.get(`${name}.linear_pos.weight`), distances);
  const reach = projected.shape[1];
  const table = permute(reshape(projected, size, heads, reach), [0, 2, 1, 3]);
  const far = pack(permute(matrixProduct(byPlace, table), [1, 0, 2, 3]));
  const near = view(shifted(far), [steps, steps, heads], [4 * reach, 4 * reach * steps]);
  const scores = elementwise('SCALE', add(content, near));
  const mixed = matrixProduct(elementwise('SOFT_MAX', scores), v);
  const rows = pack(permute(mixed, [2, 0, 1, 3]), [size * heads, steps]);
  return scene.linear(rows, `${name}.attn_out`);
}

/** Each row moved by one more than the row before. */
function shifted(x: GraphTensor): GraphTensor {
  const [reach, steps, heads] = x.shape;
  const padded = compute('PAD', [reach + 1, steps, heads], [x]);
  const rolled = compute('ROLL', padded.shape, [padded]);
  const lines = reshape(rolled, steps, reach + 1, heads);
  const without = view(lines, [steps, reach, heads], lines.strides.slice(1, 3));
  return pack(without, [reach, steps, heads]);
}

/** A gate, then a convolution over what is around each step. */
function overTime(scene: Scene, x: GraphTensor, name: string): GraphTensor {
  const both = scene.linear(scene.norm(x, `${name}.norm_conv`, 'layer'), `${name}.conv_pw1`);
  const width = both.shape[0] / 2;
  const half = () => view(both, [width, both.shape[1]], [both.strides[1]]);
  const gated = pack(swapSides(elementwise('MUL', half(), activate(half()))));
  const steps = gated.shape[0];
  const before = compute('PAD', [steps + TAPS_BESIDE, width], [gated]);
  const rolled = compute('ROLL', before.shape, [before]);
  const around = compute('PAD', [steps + 2 * TAPS_BESIDE, width], [rolled]);
  const kernel = scene.get(`${name}.conv_dw.weight`);
  const convolved = compute('SSM_CONV', [width, steps], [around, kernel]);
  const placed = scene.bias(convolved, `${name}.conv_dw.bias`);
  const normed = scene.bias(
    scene.scale(placed, `${name}.conv_norm.weight`),
    `${name}.conv_norm.bias`,
  );
  return scene.linear(activate(normed), `${name}.conv_pw2`);
}
