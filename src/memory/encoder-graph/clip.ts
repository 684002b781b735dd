import type { Graph, GraphTensor } from '../graph/tensor.ts';
import { compute, matrixProduct, permute, reshape, view } from '../graph/tensor.ts';
import { activate, concat, pack } from './ops.ts';
import type { NormKind } from './ops.ts';
import type { Scene } from './scene.ts';
import { rotateTwice } from './siglip.ts';
import { vit } from './vit.ts';

/** InternVL (models/internvl.cpp). */
export function internvl(scene: Scene): Graph {
  const { embedding, layers } = scene.encoder;
  const token = scene.get('v.class_embd');
  const repeated = compute('REPEAT', [token.shape[0]], [token]);
  const norm: NormKind = embedding === 3200 && layers === 45 ? 'rms' : 'layer';
  const x = vit(scene, concat(scene.patchRows(), repeated, 1), {
    norm,
    learned: scene.get('v.position_embd.weight'),
  });
  const patches = pack(view(x, [embedding, scene.patches]));
  const shuffled = shufflePixels(scene, patches, true);
  const normed = scene.norm(shuffled, 'mm.model.mlp.0', 'layer');
  return scene.finish(scene.feedForward(normed, 'mm.model.mlp.1', null, 'mm.model.mlp.3'));
}

/** Squares of `merge` x `merge` patches side by side in one row. */
function shufflePixels(scene: Scene, x: GraphTensor, back: boolean): GraphTensor {
  const { embedding, merge } = scene.encoder;
  const { columns, rows } = scene;
  const width = embedding * merge * merge;
  const lines = reshape(x, embedding * merge, rows / merge, columns);
  const square = pack(permute(lines, [0, 2, 1, 3]), [width, rows / merge, columns / merge]);
  const turned = back ? permute(square, [0, 2, 1, 3]) : square;
  return pack(turned, [width, (columns / merge) * (rows / merge)]);
}

/** Llama 4 (models/llama4.cpp). */
export function llama4(scene: Scene): Graph {
  const { embedding } = scene.encoder;
  const { patches } = scene;
  const rotate = rotateTwice(scene, patches + 1);
  const kernel = scene.get('v.patch_embd.weight');
  const unrolled = compute(
    'IM2COL',
    [kernel.shape[0], scene.columns, scene.rows],
    [kernel, scene.picture()],
  );
  const convolved = matrixProduct(kernel, unrolled);
  const x = concat(reshape(convolved, embedding, patches), scene.get('v.class_embd'), 1);
  const learned = scene.get('v.position_embd.weight');
  const seen = vit(scene, x, { norm: 'layer', learned, rotate });
  const shuffled = shufflePixels(scene, view(seen, [embedding, patches]), false);
  const wide = activate(matrixProduct(scene.get('mm.model.mlp.1.weight'), shuffled));
  const narrow = activate(matrixProduct(scene.get('mm.model.mlp.2.weight'), wide));
  return scene.finish(matrixProduct(scene.get('mm.model.fc.weight'), narrow));
}
