import type { Graph, GraphTensor } from '../graph/tensor.ts';
import {
  compute,
  elementwise,
  input,
  matrixProduct,
  reshape,
  rows as pickRows,
} from '../graph/tensor.ts';
import { add, concat } from './ops.ts';
import type { Scene } from './scene.ts';
import { vit } from './vit.ts';

/** Width of a head of the resampler (`clip_graph_minicpmv`). */
const RESAMPLER_HEAD = 128;

/** MiniCPM-V 2.5 to 4.5 (models/minicpmv.cpp): learned queries read the patches. */
export function minicpmv(scene: Scene): Graph {
  const { patches } = scene;
  const learned = pickRows(scene.get('v.position_embd.weight'), scene.indices(patches));
  const seen = vit(scene, scene.patchRows(), { norm: 'layer', learned });
  const queries = scene.norm(scene.get('resampler.query'), 'resampler.ln_q', 'layer');
  const values = scene.norm(
    matrixProduct(scene.get('resampler.kv.weight'), seen),
    'resampler.ln_kv',
    'layer',
  );
  const keys = add(values, sinePositions(scene));
  const read = resample(scene, queries, keys, values);
  const normed = scene.norm(read, 'resampler.ln_post', 'layer');
  return scene.finish(matrixProduct(scene.get('resampler.proj.weight'), normed));
}

/** Sine and cosine of column and row, computed in every run. */
function sinePositions(scene: Scene): GraphTensor {
  const { patches } = scene;
  const quarter = scene.encoder.projectionDim / 4;
  const frequencies = compute('REPEAT', [quarter, patches], [input('f32', quarter)]);
  const waves = (at: GraphTensor) => {
    const angles = elementwise('MUL', frequencies, at);
    const wave = (op: string) => compute(op, angles.shape, [angles]);
    return concat(wave('SIN'), wave('COS'), 0);
  };
  const [columns, rows] = [input('f32', 1, patches), input('f32', 1, patches)];
  return concat(waves(columns), waves(rows), 0);
}

function resample(scene: Scene, q: GraphTensor, k: GraphTensor, v: GraphTensor): GraphTensor {
  const heads = scene.encoder.projectionDim / RESAMPLER_HEAD;
  const split = (x: GraphTensor, which: string) => {
    const y = scene.linear(x, `resampler.attn.${which}`);
    return reshape(y, RESAMPLER_HEAD, heads, y.shape[1]);
  };
  return scene.attention([split(q, 'q'), split(k, 'k'), split(v, 'v')], 'resampler.attn.out');
}
