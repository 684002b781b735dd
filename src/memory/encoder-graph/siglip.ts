import type { Graph, GraphTensor } from '../graph/tensor.ts';
import { compute, elementwise, matrixProduct, permute, reshape, view } from '../graph/tensor.ts';
import { concat, pack, plainNorm, pool, swapSides } from './ops.ts';
import { resizedPositions } from './positions.ts';
import type { Scene } from './scene.ts';
import { vit } from './vit.ts';

function tower(scene: Scene, learned: GraphTensor): GraphTensor {
  return vit(scene, scene.patchRows(), { norm: 'layer', learned });
}

const storedPositions = (scene: Scene) => scene.get('v.position_embd.weight');

/** Gemma 3 (models/siglip.cpp): squares of patches are averaged, then one matrix. */
export function gemma3(scene: Scene): Graph {
  const { columns, rows } = scene;
  const { embedding, merge } = scene.encoder;
  const seen = tower(scene, storedPositions(scene));
  const pooled = pool(pack(swapSides(seen), [columns, rows, embedding]), merge);
  const tokens = pooled.shape[0] * pooled.shape[1];
  const rowsOf = pack(swapSides(reshape(pooled, tokens, embedding)));
  const normed = scene.norm(rowsOf, 'mm.soft_emb_norm', 'rms');
  // Stored the other way round, the matrix is turned in every run.
  const stored = scene.get('mm.input_projection.weight');
  const turned = pack(swapSides(stored), undefined, 'f16');
  return scene.finish(matrixProduct(turned, normed));
}

/** Idefics3, SmolVLM (models/siglip.cpp). */
export function idefics3(scene: Scene): Graph {
  const shuffled = mergeSquares(scene, tower(scene, storedPositions(scene)));
  return scene.finish(matrixProduct(scene.get('mm.model.fc.weight'), shuffled));
}

/** LFM2-VL (models/siglip.cpp). */
export function lfm2(scene: Scene): Graph {
  let x = mergeSquares(scene, tower(scene, resizedPositions(scene)));
  if (scene.find('mm.input_norm.weight')) x = scene.norm(x, 'mm.input_norm', 'layer');
  return scene.finish(scene.feedForward(x, 'mm.1', null, 'mm.2'));
}

/** Janus-Pro (models/siglip.cpp). */
export function janusPro(scene: Scene): Graph {
  const seen = tower(scene, storedPositions(scene));
  return scene.finish(scene.feedForward(seen, 'mm.0', null, 'mm.1'));
}

/** Phi-4-multimodal on SigLIP2 (models/siglip.cpp). */
export function phi4(scene: Scene): Graph {
  const seen = tower(scene, resizedPositions(scene));
  return scene.finish(scene.feedForward(seen, 'mm.0', null, 'mm.2'));
}

/** Kimi-VL (models/kimivl.cpp). */
export function kimivl(scene: Scene): Graph {
  const { embedding, merge } = scene.encoder;
  const learned = resizedPositions(scene);
  const rotate = rotateTwice(scene);
  const seen = vit(scene, scene.patchRows(), { norm: 'layer', learned, rotate });
  const merged = mergeSquares(scene, seen);
  const patches = merged.shape[1] * merge * merge;
  const normed = scene.norm(view(merged, [embedding, patches]), 'mm.input_norm', 'layer');
  const joined = view(normed, [merged.shape[0], merged.shape[1]]);
  return scene.finish(scene.feedForward(joined, 'mm.1', null, 'mm.2'));
}

/** Rotary positions for rows, then for columns; both read their indices from the host. */
export function rotateTwice(scene: Scene, length = scene.patches) {
  const first = scene.indices(length);
  const second = scene.indices(length);
  return (x: GraphTensor) => elementwise('ROPE', elementwise('ROPE', x, first), second);
}

/** Squares of `merge` x `merge` patches joined to one row (`build_patch_merge_permute`). */
export function mergeSquares(scene: Scene, x: GraphTensor): GraphTensor {
  const { merge } = scene.encoder;
  const width = x.shape[0];
  const across = Math.ceil(scene.columns / merge);
  const down = Math.ceil(scene.rows / merge);
  let grid = reshape(x, width, scene.columns, scene.rows);
  const isWhole = across * merge === scene.columns && down * merge === scene.rows;
  if (!isWhole) grid = compute('PAD', [width, across * merge, down * merge], [grid]);
  const lines = reshape(grid, width * merge, across, down * merge);
  const turned = pack(permute(lines, [0, 2, 1, 3]), [width * merge * merge, down, across]);
  return pack(permute(turned, [0, 2, 1, 3]), [width * merge * merge, across * down]);
}

/** Pixtral and Mistral Small 3.1 (models/pixtral.cpp). */
export function pixtral(scene: Scene): Graph {
  const { columns, rows } = scene;
  const { embedding, merge } = scene.encoder;
  const rotate = rotateTwice(scene);
  let x = vit(scene, scene.patchRows(), { norm: 'rms', rotate });
  const merger = scene.find('mm.patch_merger.weight');
  if (merger) {
    const normed = scene.scale(plainNorm(x, 'rms'), 'mm.input_norm.weight');
    const grid = pack(permute(reshape(normed, embedding, columns, rows), [2, 0, 1, 3]));
    const [across, down] = [Math.floor(columns / merge), Math.floor(rows / merge)];
    const squares = compute('IM2COL', [merge * merge * embedding, across, down], [grid, grid]);
    x = matrixProduct(merger, reshape(squares, squares.shape[0], across * down));
  }
  x = scene.feedForward(x, 'mm.1', null, 'mm.2');
  return scene.finish(withRowBreaks(scene, x));
}

/** One more row for each line of the picture: the embedding of `[IMG_BREAK]`. */
function withRowBreaks(scene: Scene, x: GraphTensor): GraphTensor {
  const token = scene.find('v.token_embd.img_break');
  if (token === null) return x;
  const { merge } = scene.encoder;
  const across = Math.floor(scene.columns / merge);
  const down = Math.floor(scene.rows / merge);
  const width = x.shape[0];
  const blank = elementwise('SCALE', compute('NONE', [width, 1, down], []));
  const breaks = elementwise('ADD', blank, token);
  const joined = concat(reshape(x, width, across, down), breaks, 1);
  return view(joined, [width, across * down + down - 1]);
}
