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
import { vit, vitBlocks } from './vit.ts';

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

/** Sides of the squares that each of MiniCPM-V 4.6's two mergers joins. */
const MERGED = 2;
/** Where a header does not say which block the first merger follows. */
const MERGER_BLOCK = 6;

/**
 * MiniCPM-V 4.6 (models/minicpmv.cpp): after some blocks squares of patches attend to each other and become
 * one, after the last block once more. Merged four to one instead of sixteen it does without the first.
 */
export function minicpmv46(scene: Scene): Graph {
  const { patches, columns, rows } = scene;
  const { merge, mergerBlock = MERGER_BLOCK } = scene.encoder;
  const options = { norm: 'layer' } as const;
  const learned = pickRows(scene.get('v.position_embd.weight'), scene.indices(patches));
  let x = add(scene.patchRows(), learned);
  if (scene.find('v.pre_ln.weight')) x = scene.norm(x, 'v.pre_ln', 'layer');
  const fourth = Math.floor(columns / MERGED) * Math.floor(rows / MERGED);
  let tokens = fourth;
  if (merge === MERGED) {
    x = vitBlocks(scene, x, options, [0, scene.everyBlock]);
  } else {
    const cut = Math.min(mergerBlock + 1, scene.everyBlock);
    x = vitBlocks(scene, x, options, [0, cut]);
    x = joinWithin(scene, attendWithin(scene, x), fourth);
    x = vitBlocks(scene, x, options, [cut, scene.everyBlock]);
    tokens = Math.floor(columns / MERGED ** 2) * Math.floor(rows / MERGED ** 2);
  }
  if (scene.find('v.post_ln.weight')) x = scene.norm(x, 'v.post_ln', 'layer');
  const normed = scene.norm(sideBySide(corners(scene, x, tokens)), 'mm.input_norm', 'layer');
  return scene.finish(scene.feedForward(normed, 'mm.up', null, 'mm.down'));
}

/** Attention within squares: the patches are sorted by square, and a mask keeps squares apart. */
function attendWithin(scene: Scene, x: GraphTensor): GraphTensor {
  const { patches, headSize } = scene;
  const { heads } = scene.encoder;
  const name = 'v.vit_merger';
  const mask = input('f16', patches, patches);
  const sorted = pickRows(scene.norm(x, `${name}.ln1`, 'layer'), scene.indices(patches));
  const part = (which: string) =>
    reshape(scene.linear(sorted, `${name}.attn_${which}`), headSize, heads, patches);
  const attended = scene.attention([part('q'), part('k'), part('v')], `${name}.attn_out`, mask);
  return add(pickRows(attended, scene.indices(patches)), x);
}

/** Four patches become one: their mean, and what two matrices make of all four. */
function joinWithin(scene: Scene, x: GraphTensor, tokens: number): GraphTensor {
  const name = 'v.vit_merger';
  const parts = corners(scene, x, tokens);
  const [first, second, third, fourth] = parts;
  const mean = elementwise('SCALE', add(add(add(first, second), third), fourth));
  const normed = scene.norm(sideBySide(parts), `${name}.ds_ln`, 'layer');
  const fed = scene.feedForward(normed, `${name}.ds_ffn_up`, null, `${name}.ds_ffn_down`);
  return add(fed, mean);
}

type Corners = readonly [GraphTensor, GraphTensor, GraphTensor, GraphTensor];

function corners(scene: Scene, x: GraphTensor, tokens: number): Corners {
  const pick = () => pickRows(x, scene.indices(tokens));
  return [pick(), pick(), pick(), pick()];
}

function sideBySide([first, ...others]: Corners): GraphTensor {
  return others.reduce((joined, part) => concat(joined, part, 0), first);
}
