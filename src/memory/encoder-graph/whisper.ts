import type { Graph, GraphTensor } from '../graph/tensor.ts';
import { compute, elementwise, matrixProduct, reshape, view } from '../graph/tensor.ts';
import { activate, concat, pack, plainNorm, swapSides } from './ops.ts';
import type { Scene } from './scene.ts';
import { vit } from './vit.ts';

/** Whisper's encoder over 30 s of mel frames (models/whisper-enc.cpp), halved by its second convolution. */
function tower(scene: Scene, beforeLastNorm?: (x: GraphTensor) => GraphTensor): GraphTensor {
  const frames = scene.size.width;
  let x = scene.picture(1);
  x = activate(scene.bias(overTime(x, scene.get('a.conv1d.1.weight'), frames), 'a.conv1d.1.bias'));
  const half = Math.floor(frames / 2);
  x = activate(scene.bias(overTime(x, scene.get('a.conv1d.2.weight'), half), 'a.conv1d.2.bias'));
  const rows = pack(swapSides(x));
  const table = scene.get('a.position_embd.weight');
  const learned = view(table, [table.shape[0], half]);
  return vit(scene, rows, { norm: 'layer', learned, prefix: 'a', beforeLastNorm });
}

/** `ggml_conv_1d_ph`: the result has `length` steps. */
function overTime(x: GraphTensor, kernel: GraphTensor, length: number): GraphTensor {
  const [taps, channels, width] = kernel.shape;
  const area = taps * channels;
  const unrolled = compute('IM2COL', [area, length], [kernel, x], 'f16');
  const flat = compute(
    'MUL_MAT',
    [length, width],
    [reshape(unrolled, area, length), reshape(kernel, area, width)],
  );
  return reshape(flat, length, width);
}

/** Pairs of steps averaged, before the last norm in the towers that do so. */
function averagePairs(x: GraphTensor): GraphTensor {
  const turned = pack(swapSides(x));
  const [steps, width] = turned.shape;
  return pack(swapSides(compute('POOL_1D', [Math.floor(steps / 2), width], [turned])));
}

/** `count` steps joined to one, padded to a whole number (`build_stack`). */
function stack(x: GraphTensor, count: number): GraphTensor {
  const stride = x.shape[0] * count;
  const total = x.shape[0] * x.shape[1];
  const joined = Math.ceil(total / stride);
  const padded =
    joined * stride === total ? x : compute('PAD', [joined * stride], [view(x, [total])]);
  return view(padded, [stride, joined]);
}

/** Ultravox: stacked steps, SwiGLU within one matrix. */
export function ultravox(scene: Scene): Graph {
  const stacked = stack(tower(scene), scene.encoder.stack ?? 1);
  const normed = scene.scale(plainNorm(stacked, 'rms'), 'mm.a.norm_pre.weight');
  const wide = matrixProduct(scene.get('mm.a.mlp.1.weight'), normed);
  const gated = compute('GLU', [wide.shape[0] / 2, wide.shape[1]], [wide]);
  const middle = scene.scale(plainNorm(gated, 'rms'), 'mm.a.norm_mid.weight');
  return scene.finish(matrixProduct(scene.get('mm.a.mlp.2.weight'), middle));
}

/** Voxtral: stacked steps, two matrices. */
export function voxtral(scene: Scene): Graph {
  const stacked = stack(tower(scene, averagePairs), scene.encoder.stack ?? 1);
  return scene.finish(scene.feedForward(stacked, 'mm.a.mlp.1', null, 'mm.a.mlp.2'));
}

/** Qwen2-Audio and the ears of Qwen2.5-Omni. */
export function qwen2a(scene: Scene): Graph {
  return scene.finish(scene.linear(tower(scene, averagePairs), 'mm.a.fc'));
}

/** Music Flamingo: pairs of steps averaged, two matrices. */
export function musicflamingo(scene: Scene): Graph {
  const steps = tower(scene, averagePairs);
  return scene.finish(scene.feedForward(steps, 'mm.a.mlp.1', null, 'mm.a.mlp.2'));
}

/** GLM-ASR: a second norm, stacked steps, two matrices, and a token before and behind. */
export function glma(scene: Scene): Graph {
  const normed = scene.norm(tower(scene), 'mm.a.norm_pre', 'layer');
  const stacked = stack(normed, scene.encoder.stack ?? 1);
  const tokens = scene.feedForward(stacked, 'mm.a.mlp.1', null, 'mm.a.mlp.2');
  const begun = concat(scene.get('v.boi'), tokens, 1);
  return scene.finish(concat(begun, scene.get('v.eoi'), 1));
}

/** MERaLiON: stacked steps, then two branches of which one gates the other. */
export function meralion(scene: Scene): Graph {
  const stacked = stack(tower(scene), scene.encoder.stack ?? 1);
  const normed = scene.norm(stacked, 'mm.a.norm_pre', 'layer');
  const narrow = activate(scene.linear(normed, 'mm.a.mlp.0'));
  const gate = activate(scene.linear(narrow, 'mm.a.mlp.1'));
  const mixed = elementwise('MUL', gate, scene.linear(narrow, 'mm.a.mlp.2'));
  return scene.finish(scene.linear(mixed, 'mm.a.mlp.3'));
}
