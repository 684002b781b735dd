import { QWEN25_WINDOW_PATTERN } from '../../layout/encoder-limits.ts';
import type { Graph, GraphTensor } from '../graph/tensor.ts';
import {
  elementwise,
  input,
  matrixProduct,
  permute,
  reshape,
  rows as pickRows,
} from '../graph/tensor.ts';
import { activate, add, concat, convolve, pack } from './ops.ts';
import type { NormKind } from './ops.ts';
import { resizedPositions } from './positions.ts';
import type { Scene } from './scene.ts';
import { third, vit } from './vit.ts';

/** Two patch matrices, one for each of two frames: a still image goes through both. */
function twoFrames(scene: Scene): GraphTensor {
  const picture = scene.picture();
  return add(
    convolve(picture, scene.get('v.patch_embd.weight')),
    convolve(picture, scene.get('v.patch_embd.weight.1')),
  );
}

/** Patches (or their positions) in squares of 2 x 2, the order in which they are merged at the end. */
function inSquares(scene: Scene, x: GraphTensor): GraphTensor {
  const { columns, rows } = scene;
  const { embedding } = scene.encoder;
  const wide = pack(x, [2 * embedding, columns / 2, rows]);
  const pairs = reshape(wide, 2 * embedding, columns / 2, 2, rows / 2);
  return pack(permute(pairs, [0, 2, 1, 3]), [embedding, columns * rows]);
}

const patchesFirst = (x: GraphTensor) => permute(x, [1, 2, 0, 3]);

/** Qwen2-VL and Qwen2.5-VL (models/qwen2vl.cpp): the latter attends within windows in most blocks. */
export function qwen2vl(scene: Scene): Graph {
  const { patches } = scene;
  const { embedding, projectionDim } = scene.encoder;
  const isSecond = scene.encoder.projectorType === 'qwen2.5vl_merger';
  const windows = isSecond ? (scene.encoder.windowPattern ?? QWEN25_WINDOW_PATTERN) : 0;
  const norm: NormKind = isSecond ? 'rms' : 'layer';
  const quarter = patches / 4;
  const positions = scene.indices(4 * patches);
  const mask = input(scene.flashAttention ? 'f16' : 'f32', patches, patches);
  let x = inSquares(scene, patchesFirst(twoFrames(scene)));
  if (windows > 0) {
    const picked = pickRows(reshape(x, 4 * embedding, quarter), scene.indices(quarter));
    x = reshape(picked, embedding, patches);
  }
  const rotate = (part: GraphTensor) => elementwise('ROPE', part, positions);
  for (let index = 0; index < scene.blocks; index++) {
    const whole = windows === 0 || (index + 1) % windows === 0;
    x = block(scene, x, `v.blk.${index}`, { norm, rotate, mask: whole ? null : mask });
  }
  if (scene.find('v.post_ln.weight')) x = scene.norm(x, 'v.post_ln', norm);
  const merged = scene.feedForward(reshape(x, 4 * embedding, quarter), 'mm.0', null, 'mm.2');
  if (windows === 0) return scene.finish(merged);
  const sorted = pickRows(reshape(merged, projectionDim, quarter), scene.indices(quarter));
  return scene.finish(reshape(sorted, projectionDim, quarter));
}

type BlockOptions = {
  readonly norm: NormKind;
  readonly rotate: (part: GraphTensor) => GraphTensor;
  readonly mask: GraphTensor | null;
};

function block(scene: Scene, x: GraphTensor, name: string, options: BlockOptions): GraphTensor {
  const { norm, rotate, mask } = options;
  const { heads } = scene.encoder;
  const normed = scene.norm(x, `${name}.ln1`, norm);
  const split = (y: GraphTensor) => reshape(y, scene.headSize, heads, scene.patches);
  const joined = scene.find(`${name}.attn_qkv.weight`);
  const all = joined ? scene.bias(matrixProduct(joined, normed), `${name}.attn_qkv.bias`) : null;
  const part = (which: string) =>
    all === null ? split(scene.linear(normed, `${name}.attn_${which}`)) : third(scene, all);
  const attended = scene.attention(
    [rotate(part('q')), rotate(part('k')), part('v')],
    `${name}.attn_out`,
    mask,
  );
  const middle = add(attended, x);
  const ready = scene.norm(middle, `${name}.ln2`, norm);
  const fed = scene.feedForward(ready, `${name}.ffn_up`, `${name}.ffn_gate`, `${name}.ffn_down`);
  return add(middle, fed);
}

/** Qwen3-VL (models/qwen3vl.cpp): learned positions, and features of some blocks beside the output. */
export function qwen3vl(scene: Scene): Graph {
  const { patches } = scene;
  const { embedding, merge } = scene.encoder;
  let x = scene.bias(inSquares(scene, patchesFirst(twoFrames(scene))), 'v.patch_embd.bias');
  x = add(x, inSquares(scene, resizedPositions(scene)));
  const positions = scene.indices(4 * patches);
  const rotate = (part: GraphTensor) => elementwise('ROPE', part, positions);
  let features: GraphTensor | null = null;
  const squares = (y: GraphTensor) =>
    reshape(y, embedding * merge * merge, patches / (merge * merge));
  for (let index = 0; index < scene.everyBlock; index++) {
    x = block(scene, x, `v.blk.${index}`, { norm: 'layer', rotate, mask: null });
    const deep = `v.deepstack.${index}`;
    if (scene.find(`${deep}.fc1.weight`) === null) continue;
    const normed = scene.norm(squares(x), `${deep}.norm`, 'layer');
    const feature = scene.feedForward(normed, `${deep}.fc1`, null, `${deep}.fc2`);
    features = features === null ? feature : concat(features, feature, 0);
  }
  if (scene.find('v.post_ln.weight')) x = scene.norm(x, 'v.post_ln', 'layer');
  const merged = scene.feedForward(reshape(x, 4 * embedding, patches / 4), 'mm.0', null, 'mm.2');
  return scene.finish(features === null ? merged : concat(merged, features, 0));
}

/** GLM-4.1V to 4.6V (models/glm4v.cpp). */
export function glm4v(scene: Scene): Graph {
  const { patches } = scene;
  const { embedding, merge } = scene.encoder;
  const positions = scene.indices(4 * patches);
  let x = scene.bias(inSquares(scene, patchesFirst(twoFrames(scene))), 'v.patch_embd.bias');
  x = scene.norm(x, 'v.norm_embd', 'rms');
  const learned = scene.find('v.position_embd.weight')
    ? inSquares(scene, resizedPositions(scene))
    : null;
  const rotate = (part: GraphTensor) => elementwise('ROPE', part, positions);
  x = vit(scene, x, { norm: 'rms', learned, rotate });
  const tokens = patches / (merge * merge);
  const squares = reshape(x, embedding, merge, merge, tokens);
  const kernel = scene.get('mm.patch_merger.weight');
  const convolved = convolve(pack(permute(squares, [2, 0, 1, 3])), kernel);
  const merged = reshape(convolved, convolved.shape[2], tokens);
  const projected = scene.norm(
    matrixProduct(scene.get('mm.model.fc.weight'), scene.bias(merged, 'mm.patch_merger.bias')),
    'mm.post_norm',
    'layer',
  );
  return scene.finish(scene.feedForward(activate(projected), 'mm.up', 'mm.gate', 'mm.down'));
}
