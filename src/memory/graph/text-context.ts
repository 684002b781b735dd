import type { TextModel } from '../../contracts/model.ts';
import { cachingLayers, headLengths, isSliding, recurrentState } from '../../layout/layer-kinds.ts';
import { kvElementBytes } from '../kv-cache.ts';
import type { CacheShape } from '../kv-cache.ts';
import type { LayerPlacement } from '../split.ts';
import { EXPERTS } from '../weights.ts';
import { shapesOf } from './shapes.ts';
import type { TensorShapes } from './shapes.ts';
import { Graph, compute, elementwise, held, input, matrixProduct } from './tensor.ts';
import type { ElementType, GraphTensor } from './tensor.ts';

/** One reservation of the compute graph: the largest micro-batch of a model on its devices. */
export type TextGraphSetup = {
  readonly text: TextModel;
  readonly placement: LayerPlacement;
  readonly gpus: number;
  /** Tokens of the micro-batch and rows of logits. */
  readonly tokens: number;
  readonly outputs: number;
  readonly cache: CacheShape;
  readonly slots: number;
  readonly flashAttention: boolean;
  /** Lower case, as the engine spells them. */
  readonly keyType: string;
  readonly valueType: string;
  /** Blocks from the first whose experts stay on the CPU. */
  readonly cpuMoeLayers: number;
};

const F32_BYTES = 4;

/** What the recipes of all architectures build with: the graph, its inputs, and the weights by name. */
export class TextContext {
  readonly graph = new Graph();
  readonly text: TextModel;
  readonly setup: TextGraphSetup;
  readonly tokens: number;
  readonly cpu: number;
  readonly positions: GraphTensor;
  readonly outputRows: GraphTensor;
  /** What the first block reads; Qwen3-VL goes back to it. */
  entry: GraphTensor | null = null;
  private readonly shapes: TensorShapes;
  private readonly weights = new Map<string, GraphTensor>();
  private readonly caches = new Map<string, GraphTensor>();
  private readonly sharedInputs = new Map<string, GraphTensor>();

  constructor(setup: TextGraphSetup) {
    this.setup = setup;
    this.text = setup.text;
    this.tokens = setup.tokens;
    this.cpu = setup.gpus;
    this.shapes = shapesOf(setup.text.tensors);
    const axes =
      setup.text.hyper['rope.dimension_sections'] === undefined && !MROPE.has(setup.text.arch)
        ? 1
        : 4;
    this.positions = input('i32', setup.tokens * axes);
    this.outputRows = input('i32', setup.outputs);
  }

  /** The weight of this name where its layer lies; null where the model has none. */
  weight(name: string, layer: number | null): GraphTensor | null {
    const known = this.weights.get(name);
    if (known !== undefined) return known;
    const shape = this.shapes.get(name);
    if (shape === undefined) return null;
    const made = held(this.homeOf(name, layer), true, shape);
    this.weights.set(name, made);
    return made;
  }

  /** The token embedding a second time, beside the output layer. */
  tied(): GraphTensor | null {
    const shape = this.shapes.get('token_embd.weight');
    return shape === undefined ? null : held(this.backend(this.text.layers), true, shape);
  }

  /** A weight of a layer without which no model of its architecture is whole. */
  layerWeight(layer: number, name: string): GraphTensor | null {
    return this.weight(`blk.${layer}.${name}`, layer);
  }

  private homeOf(name: string, layer: number | null): number {
    if (layer === null) return this.cpu;
    if (layer < this.setup.cpuMoeLayers && EXPERTS.test(name)) return this.cpu;
    return this.backend(layer);
  }

  /** Backend of a layer; `text.layers` is the output layer. */
  backend(layer: number): number {
    return this.setup.placement[layer] ?? this.cpu;
  }

  /** An input that several layers read. */
  shared(name: string, type: ElementType, ...dimensions: number[]): GraphTensor {
    const known = this.sharedInputs.get(name) ?? input(type, ...dimensions);
    this.sharedInputs.set(name, known);
    return known;
  }

  /** Product with a weight, which every model of the architecture has. */
  project(layer: number, name: string, by: GraphTensor): GraphTensor {
    const weight = this.layerWeight(layer, `${name}.weight`);
    if (weight === null) throw new MissingTensor(`blk.${layer}.${name}.weight`);
    const product = matrixProduct(weight, by);
    const bias = this.layerWeight(layer, `${name}.bias`);
    return bias === null ? product : elementwise('ADD', product, bias);
  }

  /** Root-mean-square or layer norm with its weight; the tensor itself where the layer has no such norm. */
  norm(layer: number, name: string, of: GraphTensor, op = 'RMS_NORM'): GraphTensor {
    const weight = this.layerWeight(layer, `${name}.weight`);
    if (weight === null) return of;
    return this.normBy(weight, this.layerWeight(layer, `${name}.bias`), of, op);
  }

  normBy(
    weight: GraphTensor,
    bias: GraphTensor | null,
    of: GraphTensor,
    op = 'RMS_NORM',
  ): GraphTensor {
    const norm = elementwise(op, of);
    const scaled = elementwise('MUL', norm, weight);
    return bias === null ? scaled : elementwise('ADD', scaled, bias);
  }

  /** K or V of a layer, or of the layer whose cache it reads. */
  cache(kind: 'k' | 'v', layer: number): GraphTensor {
    const name = `${kind}${layer}`;
    const known = this.caches.get(name);
    if (known !== undefined) return known;
    const lengths = headLengths(this.text, layer);
    const width = (this.text.kvHeads[layer] ?? 0) * (kind === 'k' ? lengths.key : lengths.value);
    const { streams } = this.setup.cache;
    const type = kind === 'k' ? this.setup.keyType : this.setup.valueType;
    const made = held(
      this.backend(layer),
      false,
      [width, this.cells(layer), streams],
      kvElementBytes(type),
    );
    this.caches.set(name, made);
    return made;
  }

  cells(layer: number): number {
    const { cells, windowCells } = this.setup.cache;
    return isSliding(this.text, layer) ? windowCells : cells;
  }

  /** Last layer of the same kind that owns a cache, for a layer that reads another's. */
  cacheOwner(layer: number): number {
    const owners = cachingLayers(this.text);
    if (layer < owners) return layer;
    return isSliding(this.text, layer) ? owners - 2 : owners - 1;
  }

  state(layer: number): { convolution: GraphTensor; state: GraphTensor } {
    const sizes = recurrentState(this.text, layer);
    const cells = this.setup.slots;
    const make = (kind: string, width: number) => {
      const known = this.caches.get(`${kind}${layer}`);
      if (known !== undefined) return known;
      const made = held(this.backend(layer), false, [width, cells], F32_BYTES);
      this.caches.set(`${kind}${layer}`, made);
      return made;
    };
    return {
      convolution: make('r', sizes?.convolution ?? 0),
      state: make('s', sizes?.state ?? 0),
    };
  }

  add(first: GraphTensor, second: GraphTensor): GraphTensor {
    return elementwise('ADD', first, second);
  }

  scale(of: GraphTensor): GraphTensor {
    return elementwise('SCALE', of);
  }

  contiguous(of: GraphTensor, ...dimensions: number[]): GraphTensor {
    return compute('CONT', dimensions.length === 0 ? of.shape : dimensions, [of]);
  }
}

/** Positions of these have four parts whatever the header says. */
const MROPE: ReadonlySet<string> = new Set([
  'qwen2vl',
  'qwen3vl',
  'qwen3vlmoe',
  'qwen35',
  'qwen35moe',
]);

/** A file that lacks a tensor which its architecture's graph needs: no graph, an estimate instead. */
export class MissingTensor extends Error {}
