import type { GraphTensor } from '../graph/tensor.ts';
import { elementwise, matrixProduct, reshape, view } from '../graph/tensor.ts';
import { add } from './ops.ts';
import type { NormKind } from './ops.ts';
import type { Scene } from './scene.ts';

export type VitOptions = {
  readonly norm: NormKind;
  /** Position embeddings added before the first block. */
  readonly learned?: GraphTensor | null;
  /** Rotary positions of q and k. */
  readonly rotate?: (x: GraphTensor) => GraphTensor;
  /** `v` or `a`. */
  readonly prefix?: string;
  /** Gemma 4 norms v as well. */
  readonly normValues?: boolean;
  readonly beforeLastNorm?: ((x: GraphTensor) => GraphTensor) | undefined;
};

/** The transformer that most towers share (`clip_graph::build_vit`). */
export function vit(scene: Scene, patches: GraphTensor, options: VitOptions): GraphTensor {
  const prefix = options.prefix ?? 'v';
  const { learned = null } = options;
  const placed = learned === null ? patches : add(patches, learned);
  let x = reshape(placed, placed.shape[0], placed.shape[1] * placed.shape[2]);
  if (scene.find(`${prefix}.pre_ln.weight`)) x = scene.norm(x, `${prefix}.pre_ln`, options.norm);
  x = vitBlocks(scene, x, options, [0, scene.blocks]);
  x = options.beforeLastNorm?.(x) ?? x;
  if (scene.find(`${prefix}.post_ln.weight`)) x = scene.norm(x, `${prefix}.post_ln`, options.norm);
  return reshape(x, x.shape[0], x.shape[1], 1);
}

/** The blocks from `first` to before `end`; `before` sees what enters each. */
export function vitBlocks(
  scene: Scene,
  entry: GraphTensor,
  options: VitOptions,
  [first, end]: readonly [first: number, end: number],
  before: (x: GraphTensor, index: number) => void = () => undefined,
): GraphTensor {
  let x = entry;
  for (let index = first; index < end; index++) {
    before(x, index);
    x = block(scene, x, `${options.prefix ?? 'v'}.blk.${index}`, options);
  }
  return x;
}

function block(scene: Scene, x: GraphTensor, name: string, options: VitOptions): GraphTensor {
  const { norm } = options;
  const normed = scene.norm(x, `${name}.ln1`, norm);
  const qkv = queryKeyValue(scene, normed, name, options);
  let attended = scene.attention(qkv, `${name}.attn_out`);
  attended = scene.scale(attended, `${name}.ls1.weight`);
  if (scene.find(`${name}.attn_post_norm.weight`)) {
    attended = scene.norm(attended, `${name}.attn_post_norm`, norm);
  }
  const middle = add(attended, x);
  const ready = scene.norm(middle, `${name}.ln2`, norm);
  let fed = scene.feedForward(ready, `${name}.ffn_up`, `${name}.ffn_gate`, `${name}.ffn_down`);
  if (scene.find(`${name}.ffn_post_norm.weight`)) {
    fed = scene.norm(fed, `${name}.ffn_post_norm`, norm);
  }
  fed = scene.scale(fed, `${name}.ls2.weight`);
  return scene.scale(add(middle, fed), `${name}.out_scale.weight`);
}

function queryKeyValue(
  scene: Scene,
  x: GraphTensor,
  name: string,
  { norm, rotate = (part) => part, normValues = false }: VitOptions,
): [GraphTensor, GraphTensor, GraphTensor] {
  const [q, k, v] = scene.find(`${name}.attn_qkv.weight`)
    ? fused(scene, x, name, norm)
    : separate(scene, x, name, norm);
  return [rotate(q), rotate(k), normValues ? elementwise('RMS_NORM', v) : v];
}

type Parts = [GraphTensor, GraphTensor, GraphTensor];

function separate(scene: Scene, x: GraphTensor, name: string, norm: NormKind): Parts {
  const { heads } = scene.encoder;
  const part = (which: 'q' | 'k' | 'v') => scene.linear(x, `${name}.attn_${which}`);
  const normed = (y: GraphTensor, which: 'q' | 'k') =>
    scene.find(`${name}.attn_${which}_norm.weight`)
      ? scene.norm(y, `${name}.attn_${which}_norm`, norm)
      : y;
  const perHead = scene.find(`${name}.attn_q_norm.weight`)?.shape[0] === scene.headSize;
  const split = (y: GraphTensor) => reshape(y, scene.headSize, heads, y.shape[1], 1);
  const place = (which: 'q' | 'k') => {
    const y = part(which);
    return perHead ? normed(split(y), which) : split(normed(y, which));
  };
  return [place('q'), place('k'), split(part('v'))];
}

function fused(scene: Scene, x: GraphTensor, name: string, norm: NormKind): Parts {
  const all = scene.bias(
    matrixProduct(scene.get(`${name}.attn_qkv.weight`), x),
    `${name}.attn_qkv.bias`,
  );
  const normed = (y: GraphTensor, which: 'q' | 'k') =>
    scene.find(`${name}.attn_${which}_norm.weight`)
      ? scene.norm(y, `${name}.attn_${which}_norm`, norm)
      : y;
  return [normed(third(scene, all), 'q'), normed(third(scene, all), 'k'), third(scene, all)];
}

/** q, k or v inside the joined matrix: heads side by side, a whole row of all three apart. */
export function third(scene: Scene, all: GraphTensor): GraphTensor {
  const { headSize } = scene;
  const row = all.strides[1];
  const dims = [headSize, scene.encoder.heads, all.shape[1], 1] as const;
  return view(all, dims, [4 * headSize, row, row * all.shape[1]]);
}
