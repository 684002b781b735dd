import type { Graph, GraphTensor } from '../graph/tensor.ts';
import {
  compute,
  elementwise,
  matrixProduct,
  reshape,
  rows as pickRows,
  view,
} from '../graph/tensor.ts';
import { add, pack, plainNorm, pool, swapSides } from './ops.ts';
import type { Scene } from './scene.ts';
import { vit } from './vit.ts';

/** Gemma 4 (models/gemma4v.cpp): positions by column and by row, averaged squares, one matrix. */
export function gemma4v(scene: Scene): Graph {
  const { columns, rows, patches } = scene;
  const { embedding, merge } = scene.encoder;
  const scaled = scene.patchRows(elementwise('SCALE', scene.picture()));
  const places = [scene.indices(patches), scene.indices(patches)] as const;
  const rotate = (part: GraphTensor) =>
    elementwise('ROPE', elementwise('ROPE', part, places[0]), places[1]);
  let x = placed(scene, scaled, places);
  x = vit(scene, x, { norm: 'rms', rotate, normValues: true });
  const pooled = pool(pack(swapSides(x), [columns, rows, embedding]), merge);
  const tokens = pooled.shape[0] * pooled.shape[1];
  x = elementwise('SCALE', pack(swapSides(reshape(pooled, tokens, embedding))));
  x = scene.scale(scene.bias(x, 'v.std_bias'), 'v.std_scale');
  return projected(scene, x);
}

/** Gemma 4 12B (models/gemma4uv.cpp): no tower, patches of 48 x 48 pixels go through one matrix. */
export function gemma4uv(scene: Scene): Graph {
  const side = scene.encoder.patchSize * scene.encoder.merge;
  const columns = Math.floor(scene.size.width / side);
  const rows = Math.floor(scene.size.height / side);
  const pixels = 3 * side * side;
  const kernel = compute('NONE', [side, side, 3], []);
  const unrolled = compute('IM2COL', [pixels, columns, rows], [kernel, scene.picture()]);
  const patches = scene.norm(reshape(unrolled, pixels, columns * rows), 'v.patch_norm.1', 'layer');
  const embedded = scene.norm(scene.linear(patches, 'v.patch_embd'), 'v.patch_norm.2', 'layer');
  const places = [scene.indices(columns * rows), scene.indices(columns * rows)] as const;
  const x = scene.norm(placed(scene, embedded, places), 'v.patch_norm.3', 'layer');
  return projected(scene, x);
}

function placed(
  scene: Scene,
  x: GraphTensor,
  [across, down]: readonly [GraphTensor, GraphTensor],
): GraphTensor {
  const table = scene.get('v.position_embd.weight');
  const half = view(table, [scene.encoder.embedding, table.shape[1]]);
  return add(add(x, pickRows(half, across)), pickRows(half, down));
}

function projected(scene: Scene, x: GraphTensor): Graph {
  const normed = plainNorm(x, 'rms');
  return scene.finish(matrixProduct(scene.get('mm.input_projection.weight'), normed));
}
