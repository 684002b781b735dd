import type { Graph, GraphTensor } from '../graph/tensor.ts';
import { compute, elementwise, matrixProduct, permute, reshape } from '../graph/tensor.ts';
import { activate, add, concat, pack, plainNorm } from './ops.ts';
import type { Scene } from './scene.ts';

const STAGES = 4;
/** Side of the square of tokens that every picture ends in. */
const TOKENS_SIDE = 16;

/** Gemma 3n (models/mobilenetv5.cpp): convolutions in four stages; the last two are fused. */
export function gemma3n(scene: Scene): Graph {
  let x = strided(scene, scene.picture(), 'v.conv_stem.conv', 2);
  x = activate(normed(scene, scene.bias(x, 'v.conv_stem.conv.bias'), 'v.conv_stem.bn'));
  const ends: GraphTensor[] = [];
  for (let stage = 0; stage < STAGES; stage++) {
    for (let at = 0; hasBlock(scene, `v.blk.${stage}.${at}`); at++) {
      x = block(scene, x, `v.blk.${stage}.${at}`, at === 0 ? 2 : 1);
    }
    ends.push(x);
  }
  const [fine, coarse] = ends.slice(-2);
  const fused = fine === undefined || coarse === undefined ? x : fuse(scene, fine, coarse);
  return scene.finish(project(scene, fused));
}

function hasBlock(scene: Scene, name: string): boolean {
  const parts = ['conv_exp', 'dw_start.conv', 'pw_exp.conv', 'attn.query.proj'];
  return parts.some((part) => scene.find(`${name}.${part}.weight`) !== null);
}

function block(scene: Scene, x: GraphTensor, name: string, stride: number): GraphTensor {
  if (scene.find(`${name}.conv_exp.weight`)) return edgeResidual(scene, x, name, stride);
  if (scene.find(`${name}.attn.query.proj.weight`)) return attention(scene, x, name);
  return invertedResidual(scene, x, name, stride);
}

const sameShape = (x: GraphTensor, y: GraphTensor) =>
  x.shape[0] === y.shape[0] && x.shape[1] === y.shape[1] && x.shape[2] === y.shape[2];

function edgeResidual(scene: Scene, x: GraphTensor, name: string, stride: number): GraphTensor {
  const wide =
    stride === 2
      ? strided(scene, x, `${name}.conv_exp`, stride)
      : direct(scene, x, `${name}.conv_exp`, 1, 1);
  const active = activate(normed(scene, wide, `${name}.bn1`));
  const narrow = normed(scene, direct(scene, active, `${name}.conv_pwl`), `${name}.bn2`);
  return stride === 1 && sameShape(x, narrow) ? add(narrow, x) : narrow;
}

function invertedResidual(scene: Scene, x: GraphTensor, name: string, stride: number): GraphTensor {
  let y = x;
  if (scene.find(`${name}.dw_start.conv.weight`)) {
    y = normed(scene, depthwise(scene, y, `${name}.dw_start.conv`, 1), `${name}.dw_start.bn`);
  }
  if (scene.find(`${name}.pw_exp.conv.weight`)) {
    y = activate(normed(scene, direct(scene, y, `${name}.pw_exp.conv`), `${name}.pw_exp.bn`));
  }
  if (scene.find(`${name}.dw_mid.conv.weight`)) {
    y = depthwise(scene, y, `${name}.dw_mid.conv`, stride);
    y = activate(normed(scene, y, `${name}.dw_mid.bn`));
  }
  if (scene.find(`${name}.pw_proj.conv.weight`)) {
    y = normed(scene, direct(scene, y, `${name}.pw_proj.conv`), `${name}.pw_proj.bn`);
  }
  y = scene.scale(y, `${name}.layer_scale.gamma`);
  return sameShape(x, y) ? add(y, x) : y;
}

/** Many heads of queries over one head of keys and values, which the earlier stage halves first. */
function attention(scene: Scene, x: GraphTensor, name: string): GraphTensor {
  const entry = normed(scene, x, `${name}.norm`);
  const halved = (part: string) => {
    const kernel = `${name}.attn.${part}.down_conv`;
    if (scene.find(`${kernel}.weight`) === null) return entry;
    return normed(scene, depthwise(scene, entry, kernel, 2), `${name}.attn.${part}.norm`);
  };
  const query = direct(scene, entry, `${name}.attn.query.proj`);
  const key = direct(scene, halved('key'), `${name}.attn.key.proj`);
  const value = direct(scene, halved('value'), `${name}.attn.value.proj`);
  const [columns, rows, width] = query.shape;
  const size = key.shape[2];
  const heads = Math.floor(width / size);
  const count = columns * rows;
  const cells = key.shape[0] * key.shape[1];
  const queries = pack(permute(reshape(query, count, size, heads), [1, 0, 2, 3]));
  const keys = pack(permute(reshape(key, cells, size), [1, 0, 2, 3]));
  const values = pack(reshape(value, cells, size));
  const shares = elementwise('SOFT_MAX', elementwise('SCALE', matrixProduct(keys, queries)));
  const mixed = pack(permute(matrixProduct(values, shares), [1, 0, 2, 3]));
  const grid = pack(reshape(mixed, columns, rows, width));
  const out = direct(scene, grid, `${name}.attn.output.proj`);
  return add(scene.scale(out, `${name}.layer_scale.gamma`), x);
}

/** Both stages at the resolution of the finer one, widened and narrowed, then averaged to 16 x 16. */
function fuse(scene: Scene, fine: GraphTensor, coarse: GraphTensor): GraphTensor {
  const [columns, rows] = fine.shape;
  const stretched =
    coarse.shape[0] < columns
      ? compute('UPSCALE', [columns, rows, coarse.shape[2]], [coarse])
      : coarse;
  let x = concat(fine, stretched, 2);
  x = normed(scene, direct(scene, x, 'v.msfa.ffn.pw_exp.conv'), 'v.msfa.ffn.pw_exp.bn');
  x = direct(scene, activate(x), 'v.msfa.ffn.pw_proj.conv');
  x = normed(scene, x, 'v.msfa.ffn.pw_proj.bn');
  const width = x.shape[2];
  if (columns > TOKENS_SIDE) x = compute('POOL_2D', [TOKENS_SIDE, TOKENS_SIDE, width], [x]);
  return normed(scene, x, 'v.msfa.norm');
}

function project(scene: Scene, x: GraphTensor): GraphTensor {
  const [columns, rows, width] = x.shape;
  const turned = pack(permute(permute(x, [2, 1, 0, 3]), [0, 2, 1, 3]));
  const tokens = elementwise('SCALE', pack(reshape(turned, width, columns * rows)));
  const scaled = scene.scale(plainNorm(tokens, 'rms'), 'mm.soft_emb_norm.weight');
  return plainNorm(matrixProduct(scene.get('mm.input_projection.weight'), scaled), 'rms');
}

/** RMS norm over the channels: they are brought to the front and back again (`rms_norm_2d`). */
function normed(scene: Scene, x: GraphTensor, name: string): GraphTensor {
  const weight = scene.find(`${name}.weight`);
  if (weight === null) return x;
  const front = pack(permute(x, [2, 1, 0, 3]));
  const scaled = elementwise('MUL', plainNorm(front, 'rms'), weight);
  return pack(permute(scaled, [2, 1, 0, 3]));
}

/** One operation without an unrolled picture (`ggml_conv_2d_direct`). */
function direct(scene: Scene, x: GraphTensor, name: string, stride = 1, padding = 0): GraphTensor {
  const kernel = scene.get(`${name}.weight`);
  const steps = (length: number, taps: number) =>
    Math.floor((length + 2 * padding - taps) / stride) + 1;
  const columns = steps(x.shape[0], kernel.shape[0]);
  const rows = steps(x.shape[1], kernel.shape[1]);
  return compute('CONV_2D', [columns, rows, kernel.shape[3], x.shape[3]], [kernel, x]);
}

/** Padded so that each `stride` pixels become one (`pad_same_2d`). */
function paddedFor(x: GraphTensor, taps: number, stride: number): GraphTensor {
  const wanted = (length: number) =>
    Math.max(length, (Math.ceil(length / stride) - 1) * stride + taps);
  const [columns, rows, channels, count] = x.shape;
  const sides = [wanted(columns), wanted(rows)] as const;
  if (sides[0] === columns && sides[1] === rows) return x;
  return compute('PAD', [...sides, channels, count], [x]);
}

function strided(scene: Scene, x: GraphTensor, name: string, stride: number): GraphTensor {
  const taps = scene.get(`${name}.weight`).shape[0];
  return direct(scene, paddedFor(x, taps, stride), name, stride);
}

/** Each channel by itself: the picture is unrolled to F16 first (`ggml_conv_2d_dw`). */
function depthwise(scene: Scene, x: GraphTensor, name: string, stride: number): GraphTensor {
  const kernel = scene.get(`${name}.weight`);
  const taps = kernel.shape[0];
  const entry = stride > 1 ? paddedFor(x, taps, stride) : x;
  const padding = stride > 1 ? 0 : Math.floor(taps / 2);
  const steps = (length: number) => Math.floor((length + 2 * padding - taps) / stride) + 1;
  const [columns, rows] = [steps(entry.shape[0]), steps(entry.shape[1])];
  const channels = entry.shape[2];
  const single = reshape(entry, entry.shape[0], entry.shape[1], 1, channels);
  const unrolled = compute(
    'IM2COL',
    [taps * taps, columns, rows, channels],
    [kernel, single],
    'f16',
  );
  const product = matrixProduct(
    reshape(kernel, taps * taps, 1, channels),
    reshape(unrolled, taps * taps, columns * rows, channels),
  );
  return reshape(product, columns, rows, channels);
}
