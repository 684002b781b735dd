import type { GraphTensor } from '../graph/tensor.ts';
import { compute, permute, reshape } from '../graph/tensor.ts';
import { pack } from './ops.ts';
import type { Scene } from './scene.ts';

/** The learned square of positions, stretched to the picture (`resize_position_embeddings`). */
export function resizedPositions(scene: Scene): GraphTensor {
  const table = scene.get('v.position_embd.weight');
  const side = Math.floor(Math.sqrt(table.shape[1]));
  const { columns, rows } = scene;
  const { embedding } = scene.encoder;
  if (columns === side && rows === side) return table;
  const square = permute(reshape(table, embedding, side, side), [2, 0, 1, 3]);
  const stretched = compute('UPSCALE', [columns, rows, embedding], [square]);
  return pack(permute(stretched, [1, 2, 0, 3]), [embedding, columns * rows]);
}
