import type { GraphTensor } from '../graph/tensor.ts';
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
import { add, convolve, pack } from './ops.ts';
import type { Scene } from './scene.ts';

/** Blocks of SAM that attend to the whole picture (`global_attn_indices`). */
const WHOLE_BLOCKS: readonly number[] = [2, 5, 8, 11];
/** Where a header does not say (`clip.vision.window_size`). */
const WINDOW = 14;

const channelsFirst = (x: GraphTensor) => pack(permute(x, [1, 2, 0, 3]));
const channelsLast = (x: GraphTensor) => pack(permute(x, [2, 0, 1, 3]));

/**
 * The segmentation tower in front of DeepSeek-OCR's (`build_sam` in models/deepseekocr.cpp): windows of 14 x
 * 14 patches with learned distances, then four convolutions down to a sixteenth of the patches.
 */
export function sam(scene: Scene, picture: GraphTensor): GraphTensor {
  const { layers = 0, window = WINDOW } = scene.encoder.sam ?? {};
  let x = channelsFirst(convolved(scene, picture, 'v.sam.patch_embd', 'own'));
  const side = x.shape[1];
  x = add(x, positions(scene, side));
  const indices = { window: input('i32', window, window), whole: input('i32', side, x.shape[2]) };
  for (let index = 0; index < Math.min(layers, scene.encoder.tensors.length); index++) {
    const name = `v.sam.blk.${index}`;
    const isWhole = WHOLE_BLOCKS.includes(index);
    const normed = scene.norm(x, `${name}.pre_ln`, 'layer');
    const attended = isWhole
      ? attention(scene, normed, name, indices.whole)
      : unwindowed(attention(scene, windowed(normed, window), name, indices.window), x, window);
    const middle = add(attended, x);
    const ready = scene.norm(middle, `${name}.post_ln`, 'layer');
    x = add(scene.feedForward(ready, `${name}.mlp.lin1`, null, `${name}.mlp.lin2`), middle);
  }
  return neck(scene, channelsLast(x));
}

function positions(scene: Scene, side: number): GraphTensor {
  const table = scene.get('v.sam.pos_embd.weight');
  if (table.shape[1] === side) return table;
  const turned = pack(permute(table, [2, 0, 1, 3]), undefined, 'f32');
  return channelsFirst(compute('UPSCALE', [side, side, table.shape[0]], [turned]));
}

function neck(scene: Scene, x: GraphTensor): GraphTensor {
  const normed = (of: GraphTensor, name: string) =>
    channelsLast(scene.norm(channelsFirst(of), name, 'layer'));
  const narrow = normed(convolved(scene, x, 'v.sam.neck.0', 1, 0), 'v.sam.neck.1');
  const smooth = normed(convolved(scene, narrow, 'v.sam.neck.2', 1, 1), 'v.sam.neck.3');
  const half = convolved(scene, smooth, 'v.sam.net_2', 2, 1);
  return convolved(scene, half, 'v.sam.net_3', 2, 1);
}

/** Unrolled in the type of its kernel: the converter keeps all but the first in F32 (`conv_2d_f32`). */
function convolved(
  scene: Scene,
  x: GraphTensor,
  name: string,
  step: number | 'own',
  padding = 0,
): GraphTensor {
  const kernel = scene.get(`${name}.weight`);
  const type = scene.typeOf(`${name}.weight`) === 'F16' ? 'f16' : 'f32';
  const stride = step === 'own' ? kernel.shape[0] : step;
  const made = convolve(x, kernel, { stride, padding, type });
  return scene.bias(made, `${name}.bias`);
}

/** Windows of `side` x `side`, one after the other in the last dimension (`window_partition`). */
function windowed(x: GraphTensor, side: number): GraphTensor {
  const [width, columns, rows, count] = x.shape;
  const across = Math.ceil(columns / side);
  const down = Math.ceil(rows / side);
  const isWhole = across * side === columns && down * side === rows;
  const padded = isWhole ? x : compute('PAD', [width, across * side, down * side, count], [x]);
  const lines = reshape(padded, width * side, across, side, down * count);
  return reshape(pack(permute(lines, [0, 2, 1, 3])), width, side, side, across * down * count);
}

function unwindowed(x: GraphTensor, like: GraphTensor, side: number): GraphTensor {
  const [width, columns, rows, count] = like.shape;
  const across = Math.ceil(columns / side);
  const down = Math.ceil(rows / side);
  const lines = reshape(x, width * side, side, across, down * count);
  const padded = reshape(
    pack(permute(lines, [0, 2, 1, 3])),
    ...[width, across * side, down * side, count],
  );
  return pack(view(padded, [width, columns, rows, count], padded.strides.slice(1)));
}

function attention(scene: Scene, x: GraphTensor, name: string, indices: GraphTensor): GraphTensor {
  const { heads = 1 } = scene.encoder.sam ?? {};
  const [width, columns, rows, count] = x.shape;
  const patches = columns * rows;
  const size = width / heads;
  const all = reshape(scene.linear(x, `${name}.attn.qkv`), width, 3, patches, count);
  const part = () => {
    const strides = [all.strides[2], all.strides[3]];
    return reshape(pack(view(all, [width, patches, count], strides)), size, heads, patches, count);
  };
  const [q, k, v] = [part(), part(), part()];
  const across = distances(scene, `${name}.attn.pos_w.weight`, indices, columns);
  const down = distances(scene, `${name}.attn.pos_h.weight`, indices, rows);
  const queries = reshape(pack(permute(q, [0, 2, 1, 3])), size, columns, rows, count * heads);
  const byColumn = pack(
    permute(matrixProduct(across, pack(permute(queries, [0, 2, 1, 3]))), [0, 2, 1, 3]),
  );
  const wide = compute(
    'REPEAT',
    [columns, rows, patches, heads * count],
    [reshape(byColumn, columns, 1, patches, heads * count)],
  );
  const byRow = reshape(matrixProduct(down, queries), 1, rows, patches, heads * count);
  const mask = reshape(elementwise('ADD', wide, byRow), patches, patches, heads, count);
  const narrow = pack(mask, undefined, 'f16');
  const attended = scene.attention([q, k, v], `${name}.attn.out`, narrow);
  return reshape(pack(attended), width, columns, rows, count);
}

/** Learned vectors of the distances between `length` places, stretched where there are other ones. */
function distances(scene: Scene, name: string, indices: GraphTensor, length: number): GraphTensor {
  let table = scene.get(name);
  const [width, stored] = table.shape;
  const needed = 2 * length - 1;
  if (stored !== needed) {
    const turned = pack(permute(table, [1, 0, 2, 3]), undefined, 'f32');
    const stretched = compute('UPSCALE', [needed, 1, width], [reshape(turned, stored, 1, width)]);
    table = pack(permute(reshape(stretched, needed, width), [1, 0, 2, 3]));
  }
  const flat = reshape(indices, length * length);
  return reshape(pickRows(table, flat), width, length, length);
}
