import type { Graph, GraphTensor } from '../graph/tensor.ts';
import {
  compute,
  elementwise,
  input,
  matrixProduct,
  permute,
  reshape,
  rows as pickRows,
  view,
} from '../graph/tensor.ts';
import { activate, add, concat, convolve, pack, plainNorm, swapSides } from './ops.ts';
import { resizedPositions } from './positions.ts';
import type { Scene } from './scene.ts';
import { mergeSquares, rotateTwice } from './siglip.ts';
import { third, vit } from './vit.ts';

/** CogVLM (models/cogvlm.cpp): norms after attention and feed-forward; start and end come with the image. */
export function cogvlm(scene: Scene): Graph {
  const { embedding } = scene.encoder;
  const { patches } = scene;
  let x = concat(scene.patchRows(), scene.get('v.class_embd'), 1);
  x = add(x, scene.get('v.position_embd.weight'));
  for (let index = 0; index < scene.blocks; index++) {
    const name = `v.blk.${index}`;
    const all = scene.linear(x, `${name}.attn_qkv`);
    const part = () => third(scene, all);
    const attended = scene.attention([part(), part(), part()], `${name}.attn_out`);
    const middle = add(scene.norm(attended, `${name}.ln1`, 'layer'), x);
    const fed = scene.feedForward(middle, `${name}.ffn_up`, `${name}.ffn_gate`, `${name}.ffn_down`);
    x = add(scene.norm(fed, `${name}.ln2`, 'layer'), middle);
  }
  const seen = view(x, [embedding, patches]);
  const entry = matrixProduct(scene.get('mm.model.fc.weight'), seen);
  const active = activate(scene.norm(entry, 'mm.post_fc_norm', 'layer'));
  const up = matrixProduct(scene.get('mm.up.weight'), active);
  const gate = matrixProduct(scene.get('mm.gate.weight'), active);
  const gated = compute('GLU', gate.shape, [gate, up]);
  const out = matrixProduct(scene.get('mm.down.weight'), gated);
  return scene.finish(concat(concat(scene.get('v.boi'), out, 1), scene.get('v.eoi'), 1));
}

/** Youtu-VL (models/youtuvl.cpp): patches sorted by window, most blocks attend within one. */
export function youtuvl(scene: Scene): Graph {
  const { patches, headSize } = scene;
  const { embedding, heads, wholeBlocks } = scene.encoder;
  const quarter = patches / 4;
  const positions = scene.indices(4 * patches);
  let x = scene.bias(patchMatrix(scene), 'v.patch_embd.bias');
  x = reshape(x, embedding, patches);
  if (scene.find('v.pre_ln.weight')) x = scene.norm(x, 'v.pre_ln', 'layer');
  const sorted = (of: GraphTensor) =>
    reshape(
      pickRows(reshape(of, 4 * embedding, quarter), scene.indices(quarter)),
      ...[embedding, patches],
    );
  const mask = wholeBlocks === undefined ? null : input('f16', patches, patches);
  if (mask !== null) x = sorted(x);
  for (let index = 0; index < scene.everyBlock; index++) {
    const name = `v.blk.${index}`;
    const normed = scene.norm(x, `${name}.ln1`, 'layer');
    const part = (which: string) =>
      reshape(scene.linear(normed, `${name}.attn_${which}`), headSize, heads, patches);
    const turned = (which: string) => elementwise('ROPE', part(which), positions);
    const within = wholeBlocks?.includes(index) === false ? mask : null;
    const parts = [turned('q'), turned('k'), part('v')] as const;
    const middle = add(scene.attention(parts, `${name}.attn_out`, within), x);
    const ready = scene.norm(middle, `${name}.ln2`, 'layer');
    x = add(middle, scene.feedForward(ready, `${name}.ffn_up`, null, `${name}.ffn_down`));
  }
  if (mask !== null) x = sorted(x);
  if (scene.find('v.post_ln.weight')) x = scene.norm(x, 'v.post_ln', 'layer');
  const scaled = scene.scale(plainNorm(x, 'rms'), 'mm.input_norm.weight');
  const merged = reshape(scaled, 4 * embedding, quarter);
  return scene.finish(scene.feedForward(merged, 'mm.0', null, 'mm.2'));
}

/** The picture turned into rows of pixels in four steps, times one matrix. */
function patchMatrix(scene: Scene): GraphTensor {
  const { columns, rows } = scene;
  const side = scene.encoder.patchSize;
  const [across, down] = [columns / 2, rows / 2];
  const strip = 2 * side;
  let x = reshape(scene.picture(), across * strip, strip, down, 3);
  x = pack(permute(x, [1, 2, 3, 0]), [strip * 3, across, strip, down]);
  x = pack(permute(x, [0, 2, 1, 3]), [strip * 3, side, 2, down * across]);
  x = pack(permute(x, [1, 0, 2, 3]), [side, 3, side, down * across * 4]);
  x = pack(permute(x, [2, 0, 1, 3]), [3 * side * side, down * across * 4]);
  return matrixProduct(scene.get('v.patch_embd.weight'), x);
}

/** Step3-VL (models/step3vl.cpp): two convolutions halve the square twice. */
export function step3vl(scene: Scene): Graph {
  const { columns, rows } = scene;
  const { embedding } = scene.encoder;
  const rotate = rotateTwice(scene);
  const learned = resizedPositions(scene);
  const seen = vit(scene, scene.patchRows(), { norm: 'layer', learned, rotate });
  let x = pack(permute(seen, [1, 0, 2, 3]), [columns, rows, embedding]);
  for (const name of ['mm.0', 'mm.1']) {
    x = convolve(x, scene.get(`${name}.weight`), { stride: 2, padding: 1 });
    x = spatialBias(scene, x, `${name}.bias`);
  }
  const [across, down, width] = x.shape;
  const flat = pack(permute(reshape(x, across * down, width), [1, 0, 2, 3]));
  return scene.finish(matrixProduct(scene.get('mm.model.fc.weight'), flat));
}

function spatialBias(scene: Scene, x: GraphTensor, name: string): GraphTensor {
  const bias = scene.find(name);
  if (bias === null) return x;
  const [columns, rows, width] = x.shape;
  const flat = pack(swapSides(reshape(x, columns * rows, width)));
  return reshape(pack(swapSides(add(flat, bias))), columns, rows, width);
}

/** Nemotron Nano VL (models/nemotron-v2-vl.cpp): register tokens before the patches. */
export function nemotron(scene: Scene): Graph {
  const { embedding } = scene.encoder;
  const placed = add(scene.patchRows(), scene.get('v.position_embd.weight'));
  const x = concat(scene.get('v.class_embd'), placed, 1);
  const seen = view(vit(scene, x, { norm: 'layer' }), [embedding, scene.patches]);
  const normed = scene.scale(plainNorm(mergeSquares(scene, seen), 'rms'), 'mm.model.mlp.0.weight');
  const wide = activate(matrixProduct(scene.get('mm.model.mlp.1.weight'), normed));
  const squared = elementwise('SQR', wide);
  return scene.finish(matrixProduct(scene.get('mm.model.mlp.3.weight'), squared));
}
