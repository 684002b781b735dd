import type { Graph, GraphTensor } from '../graph/tensor.ts';
import { compute, elementwise, input, permute, reshape, view } from '../graph/tensor.ts';
import { activate, add, concat, convolve, pack, plainNorm } from './ops.ts';
import { resizedPositions } from './positions.ts';
import type { Scene } from './scene.ts';
import { mergeSquares, rotateTwice } from './siglip.ts';
import { vit } from './vit.ts';

/** Rotary positions by row and by column in one step (`ggml_rope_multi`). */
function rotateOnce(scene: Scene) {
  const positions = scene.indices(4 * scene.patches);
  return (x: GraphTensor) => elementwise('ROPE', x, positions);
}

/** PaddleOCR-VL (models/paddleocr.cpp). */
export function paddleOcr(scene: Scene): Graph {
  const rotate = rotateOnce(scene);
  const learned = resizedPositions(scene);
  const seen = vit(scene, scene.patchRows(), { norm: 'layer', learned, rotate });
  const merged = mergeSquares(scene, scene.norm(seen, 'mm.input_norm', 'layer'));
  return scene.finish(scene.feedForward(merged, 'mm.1', null, 'mm.2'));
}

/** dots.ocr (models/dotsocr.cpp). */
export function dotsOcr(scene: Scene): Graph {
  const rotate = rotateOnce(scene);
  let x = vit(scene, scene.patchRows(), { norm: 'rms', rotate });
  x = scene.norm(x, 'mm.post_norm', 'rms');
  const merged = mergeSquares(scene, scene.norm(x, 'mm.input_norm', 'layer'));
  return scene.finish(scene.feedForward(merged, 'mm.0', null, 'mm.2'));
}

/** Kimi-K2.5 (models/kimik25.cpp): positions stored by column and row, the norm after squares are joined. */
export function kimiK25(scene: Scene): Graph {
  const { embedding, merge } = scene.encoder;
  const rotate = rotateTwice(scene);
  const x = add(scene.patchRows(), gridPositions(scene));
  const merged = mergeSquares(scene, vit(scene, x, { norm: 'layer', rotate }));
  const patches = merged.shape[1] * merge * merge;
  const normed = scene.norm(view(merged, [embedding, patches]), 'mm.input_norm', 'layer');
  const joined = view(normed, [merged.shape[0], merged.shape[1]]);
  return scene.finish(scene.feedForward(joined, 'mm.1', null, 'mm.2'));
}

function gridPositions(scene: Scene): GraphTensor {
  const { columns, rows, patches } = scene;
  const { embedding } = scene.encoder;
  const table = scene.get('v.position_embd.weight');
  if (table.shape[1] === columns && table.shape[2] === rows) {
    return pack(table, [embedding, patches], 'f32');
  }
  const turned = permute(table, [2, 1, 0, 3]);
  const stretched = compute('UPSCALE', [rows, columns, embedding], [turned]);
  return pack(permute(stretched, [2, 1, 0, 3]), [embedding, patches]);
}

/** HunyuanOCR and Hunyuan-VL (models/hunyuanvl.cpp): the host stretches the positions. */
export function hunyuan(scene: Scene): Graph {
  const { columns, rows, patches } = scene;
  const { embedding, merge } = scene.encoder;
  const learned = input('f32', embedding, patches);
  let x = vit(scene, scene.patchRows(), { norm: 'layer', learned });
  x = scene.scale(plainNorm(x, 'rms'), 'mm.pre_norm.weight');
  x = pack(permute(reshape(x, embedding, columns, rows), [2, 0, 1, 3]));
  x = convolve(x, scene.get('mm.0.weight'), { stride: merge });
  x = activate(scene.bias(x, 'mm.0.bias'));
  x = scene.bias(convolve(x, scene.get('mm.2.weight'), { stride: 1 }), 'mm.2.bias');
  const [across, down, width] = x.shape;
  const newlines = compute('REPEAT', [1, down, width], [scene.get('v.image_newline')]);
  const lines = permute(concat(x, newlines, 0), [1, 2, 0, 3]);
  const tokens = scene.linear(pack(lines, [width, (across + 1) * down]), 'mm.model.fc');
  const begun = concat(scene.get('mm.image_begin'), tokens, 1);
  const whole = concat(begun, scene.get('mm.image_end'), 1);
  return scene.finish(scene.scale(plainNorm(whole, 'rms'), 'mm.post_norm.weight'));
}
