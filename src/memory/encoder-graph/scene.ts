import type { EncoderModel } from '../../contracts/model.ts';
import { shapesOf } from '../graph/shapes.ts';
import type { TensorShapes } from '../graph/shapes.ts';
import type { GraphTensor } from '../graph/tensor.ts';
import {
  compute,
  elementwise,
  Graph,
  held,
  input,
  matrixProduct,
  permute,
  reshape,
} from '../graph/tensor.ts';
import type { NormKind } from './ops.ts';
import { activate, add, convolve, pack, plainNorm, swapSides } from './ops.ts';

/** Pixels, or for audio mel frames x mel bins. */
export type PictureSize = { readonly width: number; readonly height: number };

/** Backends of an encoder: the device it lies on, and the host that hands over its inputs. */
const ENCODER_DEVICE = 0;
export const ENCODER_HOST = 1;

/**
 * Blocks that show the widest moment of any number of blocks: from then on the holes of the buffer come
 * back with every second block, or with every third.
 */
const REPEATING_BLOCKS = 4;
const PERIOD = 6;
const shortened = (layers: number) =>
  Math.min(layers, REPEATING_BLOCKS + ((layers - REPEATING_BLOCKS) % PERIOD));

export type SceneOptions = {
  /** Blocks to lay out where not only the few that repeat. */
  readonly blocks?: number;
  readonly flashAttention?: boolean;
};

/** A weight lies in the model's own buffer: the size of its elements does not matter here. */
const heldWeight = (shape: readonly number[]) => held(ENCODER_DEVICE, true, shape, 1);

/**
 * The graph of an encoder while it is put together. Weights are looked up by name: what a file lacks is
 * left out of the graph, as llama.cpp's own builders do (tools/mtmd/clip.cpp and models/, b11118).
 */
export class Scene {
  readonly encoder: EncoderModel;
  readonly size: PictureSize;
  readonly columns: number;
  readonly rows: number;
  /** Blocks to lay out: each takes the place of the one before, so that a few show the widest moment. */
  readonly blocks: number;
  readonly flashAttention: boolean;
  readonly #shapes: TensorShapes;
  readonly #weights = new Map<string, GraphTensor>();
  readonly #graph = new Graph();

  constructor(
    encoder: EncoderModel,
    size: PictureSize,
    { blocks = shortened(encoder.layers), flashAttention = true }: SceneOptions = {},
  ) {
    this.encoder = encoder;
    this.size = size;
    const patch = Math.max(encoder.patchSize, 1);
    this.columns = Math.floor(size.width / patch);
    this.rows = Math.floor(size.height / patch);
    this.blocks = blocks;
    this.flashAttention = flashAttention;
    this.#shapes = shapesOf(encoder.tensors);
  }

  get patches(): number {
    return this.columns * this.rows;
  }

  get headSize(): number {
    return this.encoder.embedding / this.encoder.heads;
  }

  /** Every block that can have weights: a damaged header may claim any number. */
  get everyBlock(): number {
    return Math.min(this.encoder.layers, this.encoder.tensors.length);
  }

  /** The weight called `name`; null when the file has none. */
  find(name: string): GraphTensor | null {
    const known = this.#weights.get(name);
    if (known !== undefined) return known;
    const shape = this.#shapes.get(name);
    if (shape === undefined) return null;
    const made = heldWeight(shape);
    this.#weights.set(name, made);
    return made;
  }

  /** The weight called `name`, or one without extent: a file without it does not load anyway. */
  get(name: string): GraphTensor {
    return this.find(name) ?? heldWeight([0, 0, 0, 0]);
  }

  /** How the file stores the tensor called `name`. */
  typeOf(name: string): string | null {
    return this.encoder.tensors.find((tensor) => tensor.name === name)?.type ?? null;
  }

  finish(output: GraphTensor): Graph {
    this.#graph.expand(output);
    return this.#graph;
  }

  /** Adds the bias called `name` where there is one. */
  bias(x: GraphTensor, name: string): GraphTensor {
    const bias = this.find(name);
    return bias === null ? x : add(x, bias);
  }

  /** Multiplies by the vector called `name` where there is one. */
  scale(x: GraphTensor, name: string): GraphTensor {
    const factor = this.find(name);
    return factor === null ? x : elementwise('MUL', x, factor);
  }

  linear(x: GraphTensor, name: string): GraphTensor {
    return this.bias(matrixProduct(this.get(`${name}.weight`), x), `${name}.bias`);
  }

  norm(x: GraphTensor, name: string, kind: NormKind): GraphTensor {
    return this.bias(this.scale(plainNorm(x, kind), `${name}.weight`), `${name}.bias`);
  }

  /** Up, gate where there is one, activation, down (`build_ffn`). */
  feedForward(x: GraphTensor, up: string, gate: string | null, down: string): GraphTensor {
    const upper = this.linear(x, up);
    const gated = gate !== null && this.find(`${gate}.weight`) !== null;
    const active = gated
      ? compute('GLU', upper.shape, [this.linear(x, gate), upper])
      : activate(upper);
    return this.linear(active, down);
  }

  /** Attention and the output matrix (`build_attn`). */
  attention(
    [q, k, v]: readonly [GraphTensor, GraphTensor, GraphTensor],
    output: string,
    mask: GraphTensor | null = null,
  ): GraphTensor {
    // `ggml_build_forward_order`: q, k and v are computed before anything that reads them.
    for (const part of [q, k, v]) this.#graph.expand(part);
    const queries = permute(q, [0, 2, 1, 3]);
    if (!this.flashAttention) {
      const shares = elementwise(
        'SOFT_MAX',
        matrixProduct(permute(k, [0, 2, 1, 3]), queries),
        mask,
      );
      const mixed = matrixProduct(pack(permute(v, [1, 2, 0, 3])), shares);
      const [width, rows, heads, pictures] = mixed.shape;
      const whole = pack(permute(mixed, [0, 2, 1, 3]), [width * heads, rows * pictures]);
      return this.linear(whole, output);
    }
    const keys = pack(permute(k, [0, 2, 1, 3]), undefined, 'f16');
    const values = pack(permute(v, [0, 2, 1, 3]), undefined, 'f16');
    const [a, b, c, d] = [values.shape[0], queries.shape[2], queries.shape[1], queries.shape[3]];
    const mixed = compute('FLASH_ATTN_EXT', [a, b, c, d], [queries, keys, values, mask]);
    return this.linear(reshape(mixed, a * b, c * d), output);
  }

  picture(channels = 3): GraphTensor {
    return input('f32', this.size.width, this.size.height, channels);
  }

  /** Patches as rows of the tower's width (`build_inp`). */
  patchRows(picture = this.picture()): GraphTensor {
    const convolved = convolve(picture, this.get('v.patch_embd.weight'));
    const rows = pack(swapSides(reshape(convolved, this.patches, this.encoder.embedding)));
    return this.bias(rows, 'v.patch_embd.bias');
  }

  /** Indices handed over by the host. */
  indices(length: number): GraphTensor {
    return input('i32', length);
  }
}
