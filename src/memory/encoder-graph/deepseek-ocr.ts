import type { Graph, GraphTensor } from '../graph/tensor.ts';
import {
  compute,
  matrixProduct,
  permute,
  reshape,
  rows as pickRows,
  view,
} from '../graph/tensor.ts';
import { concat, pack } from './ops.ts';
import { sam } from './sam.ts';
import type { Scene } from './scene.ts';
import { vit } from './vit.ts';

/**
 * DeepSeek-OCR (models/deepseekocr.cpp): what SAM makes of the picture goes through CLIP, and both side by
 * side through one matrix. A picture of several squares one below the other is a batch of tiles.
 */
export function deepseekOcr(scene: Scene): Graph {
  const side = scene.size.width;
  const tiles = Math.max(1, Math.floor(scene.size.height / Math.max(side, 1)));
  const seen = sam(scene, tileBatch(scene, side, tiles));
  const [across, down, width] = seen.shape;
  const patches = across * down;
  const flat = pack(permute(reshape(seen, patches, width, tiles), [1, 0, 2, 3]));
  const { embedding } = scene.encoder;
  const token = scene.get('v.class_embd');
  const tokens = compute('REPEAT', [embedding, 1, tiles], [token]);
  const x = concat(tokens, flat, 1);
  const learned = learnedPositions(scene, across);
  const eyes = vit(scene, x, { norm: 'layer', learned });
  const beside = reshape(pack(permute(seen, [1, 2, 0, 3])), width, patches, tiles);
  const own = view(eyes, [embedding, patches, tiles], [eyes.strides[1], eyes.strides[2]]);
  const both = concat(own, beside, 0);
  const out = scene.bias(matrixProduct(scene.get('mm.model.fc.weight'), both), 'mm.model.fc.bias');
  return scene.finish(withNewlines(scene, out, across, tiles));
}

/** Squares out of a tall picture; a single one is turned just the same. */
function tileBatch(scene: Scene, side: number, tiles: number): GraphTensor {
  const lines = reshape(scene.picture(), side * side, tiles, 3);
  const turned = pack(permute(lines, [0, 2, 1, 3]));
  return reshape(turned, side, side, 3, tiles);
}

/** CLIP's positions with that of its class token, stretched to the picture. */
function learnedPositions(scene: Scene, side: number): GraphTensor {
  let table = scene.get('v.position_embd.weight');
  const [width, stored] = table.shape;
  const own = Math.floor(Math.sqrt(stored - 1));
  if (own !== side) {
    const grid = view(table, [width, own * own]);
    const stretched = compute('UPSCALE', [side, side, width], [grid]);
    const token = view(table, [width, 1]);
    table = concat(reshape(stretched, width, side * side, 1), token, 1);
  }
  const count = table.shape[1];
  const places = pack(compute('ARANGE', [count], []), undefined, 'i32');
  return pickRows(table, places);
}

/** Tiles of a row side by side, and a newline after each row of tokens. */
function withNewlines(scene: Scene, x: GraphTensor, side: number, tiles: number): GraphTensor {
  const width = x.shape[0];
  const lines = reshape(x, width * side, side, tiles);
  const sorted = reshape(pack(permute(lines, [0, 2, 1, 3])), width, side * tiles, side);
  const newline = scene.get('v.image_newline');
  return concat(sorted, compute('REPEAT', [width, 1, side], [newline]), 1);
}
