import type { Graph, GraphTensor } from '../graph/tensor.ts';
import { compute, matrixProduct, permute, reshape, view } from '../graph/tensor.ts';
import { activate, add, convolve, pack } from './ops.ts';
import type { Scene } from './scene.ts';
import { vit } from './vit.ts';

const F32 = 4;
/** Frames that are convolved alone. */
const CHUNK = 100;

/** Qwen3's own encoder (models/qwen3a.cpp): seconds of 100 frames, three convolutions that halve both sides. */
export function qwen3a(scene: Scene): Graph {
  const { width: frames, height: bins } = scene.size;
  const chunks = Math.max(1, Math.floor(frames / CHUNK));
  const row = [F32 * frames, F32 * CHUNK, F32 * CHUNK];
  let x = pack(view(scene.picture(1), [CHUNK, bins, 1, chunks], row));
  for (const index of [1, 2, 3]) x = halved(scene, x, `a.conv2d.${index}`);
  x = pack(permute(x, [2, 0, 1, 3]));
  const steps = reshape(x, x.shape[0] * x.shape[1], x.shape[2] * x.shape[3]);
  const projected = matrixProduct(scene.get('a.conv_out.weight'), steps);
  const tower = vit(scene, placed(scene, projected, chunks), { norm: 'layer', prefix: 'a' });
  return scene.finish(scene.feedForward(tower, 'mm.a.mlp.1', null, 'mm.a.mlp.2'));
}

function halved(scene: Scene, x: GraphTensor, name: string): GraphTensor {
  const made = convolve(x, scene.get(`${name}.weight`), { stride: 2, padding: 1 });
  const bias = scene.get(`${name}.bias`);
  return activate(add(made, reshape(bias, 1, 1, bias.shape[0])));
}

/** The same learned positions in every chunk. */
function placed(scene: Scene, x: GraphTensor, chunks: number): GraphTensor {
  const table = scene.get('a.position_embd.weight');
  const [width, steps] = x.shape;
  const each = view(table, [width, Math.floor(steps / chunks)]);
  return add(x, compute('REPEAT', [width, steps], [each]));
}
