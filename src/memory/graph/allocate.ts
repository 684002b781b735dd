import { roundUp } from '../../units.ts';
import { sameLayout, spannedBytes } from './tensor.ts';
import type { GraphTensor } from './tensor.ts';

/** Alignment of tensors in a buffer; CUDA takes 128, the CPU 32 (`ggml_backend_buft_get_alignment`). */
const ALIGNMENT = 128;

/** Operations that may write over a source that nobody needs any more (`ggml_op_can_inplace`). */
const IN_PLACE: ReadonlySet<string> = new Set([
  'FILL',
  'SCALE',
  'ADD',
  'ADD_ID',
  'SUB',
  'MUL',
  'DIV',
  'SQR',
  'SQRT',
  'UNARY',
  'ROPE',
  'RMS_NORM',
  'CLAMP',
  'SOFT_MAX',
]);

type Block = { offset: number; size: number };

/** One device's buffer: best fit among the holes, else at the end, which is remembered as its size. */
class Buffer {
  private readonly free: Block[] = [{ offset: 0, size: Number.POSITIVE_INFINITY }];
  size = 0;

  take(bytes: number): number {
    let best = -1;
    for (let index = 0; index < this.free.length - 1; index++) {
      const candidate = this.free[index];
      if (candidate === undefined || candidate.size < bytes) continue;
      if (best === -1 || candidate.size <= (this.free[best]?.size ?? 0)) best = index;
    }
    const index = best === -1 ? this.free.length - 1 : best;
    const block = this.free[index];
    if (block === undefined) throw new Error('a buffer without an end');
    const { offset } = block;
    block.offset += bytes;
    block.size -= bytes;
    if (block.size === 0) this.free.splice(index, 1);
    this.size = Math.max(this.size, offset + bytes);
    return offset;
  }

  release(offset: number, bytes: number): void {
    const next = this.free.findIndex((block) => block.offset >= offset);
    const index = next === -1 ? this.free.length : next;
    const before = this.free[index - 1];
    const after = this.free[index];
    const joinsBefore = before !== undefined && before.offset + before.size === offset;
    const joinsAfter = after !== undefined && offset + bytes === after.offset;
    if (joinsBefore) {
      before.size += bytes + (joinsAfter ? after.size : 0);
      if (joinsAfter) this.free.splice(index, 1);
    } else if (joinsAfter) {
      after.offset = offset;
      after.size += bytes;
    } else {
      this.free.splice(index, 0, { offset, size: bytes });
    }
  }
}

/** What is known of a tensor while the graph is walked. */
type State = { children: number; views: number; backend: number; offset: number; own: boolean };

/** A graph with the backend of each of its nodes and leaves, by position. */
export type PlacedGraph = {
  readonly nodes: readonly GraphTensor[];
  readonly nodeBackends: readonly number[];
  readonly leaves: readonly GraphTensor[];
  readonly leafBackends: readonly number[];
};

/**
 * Bytes of the compute buffer of each backend: the walk of `ggml_gallocr_reserve_n` (`ggml-alloc.c`), in
 * which a tensor takes a hole when its node comes and gives it back after its last reader.
 */
export function allocate(graph: PlacedGraph, backends: number): number[] {
  const walk = new Walk(backends);
  graph.leaves.forEach((leaf, index) => walk.place(leaf, graph.leafBackends[index] ?? 0));
  graph.nodes.forEach((node, index) => walk.count(node, graph.nodeBackends[index] ?? 0));
  graph.nodes.forEach((node, index) => walk.run(node, graph.nodeBackends[index] ?? 0));
  return walk.sizes();
}

class Walk {
  private readonly states = new Map<GraphTensor, State>();
  private readonly buffers: readonly Buffer[];

  constructor(backends: number) {
    this.buffers = Array.from({ length: backends }, () => new Buffer());
  }

  sizes(): number[] {
    return this.buffers.map(({ size }) => size);
  }

  /** First pass: how many readers and windows a tensor has; inputs get their place before all else. */
  count(node: GraphTensor, backend: number): void {
    if (node.viewOf !== null && node.op !== 'NONE') this.state(node.viewOf).views += 1;
    if (node.input) this.place(node, backend);
    for (const source of node.sources) {
      this.state(source).children += 1;
      if (source.input) this.place(source, backend);
    }
  }

  run(node: GraphTensor, backend: number): void {
    for (const source of node.sources) this.place(source, backend);
    this.place(node, backend);
    for (const source of node.sources) this.leave(source);
  }

  place(tensor: GraphTensor, backend: number): void {
    const state = this.state(tensor);
    if (tensor.home !== null || state.own || tensor.viewOf !== null) return;
    state.own = true;
    if (IN_PLACE.has(tensor.op) && this.takeOver(tensor, state)) return;
    state.backend = backend;
    state.offset = this.buffer(backend).take(paddedBytes(tensor));
  }

  /** Takes the place of a source that this node alone still reads; a window of another tensor is never taken. */
  private takeOver(tensor: GraphTensor, state: State): boolean {
    for (const parent of tensor.sources) {
      const held = this.state(parent);
      if (!held.own || parent.output || !sameLayout(tensor, parent)) continue;
      if (held.children !== 1 || held.views !== 0) continue;
      state.backend = held.backend;
      state.offset = held.offset;
      held.own = false;
      return true;
    }
    return false;
  }

  /** One reader fewer; after the last one the memory is given back. */
  private leave(tensor: GraphTensor): void {
    const state = this.state(tensor);
    state.children -= 1;
    if (state.children !== 0 || state.views !== 0) return;
    if (tensor.viewOf !== null) {
      const root = this.state(tensor.viewOf);
      root.views -= 1;
      if (root.views === 0 && root.children === 0) this.free(tensor.viewOf, root);
    } else {
      this.free(tensor, state);
    }
  }

  private free(tensor: GraphTensor, state: State): void {
    if (!state.own || tensor.output) return;
    this.buffer(state.backend).release(state.offset, paddedBytes(tensor));
    state.own = false;
  }

  private state(tensor: GraphTensor): State {
    let state = this.states.get(tensor);
    if (state === undefined) {
      state = { children: 0, views: 0, backend: 0, offset: 0, own: false };
      this.states.set(tensor, state);
    }
    return state;
  }

  private buffer(backend: number): Buffer {
    const buffer = this.buffers[backend];
    if (buffer === undefined) throw new Error(`no backend ${backend}`);
    return buffer;
  }
}

function paddedBytes(tensor: GraphTensor): number {
  return roundUp(spannedBytes(tensor), ALIGNMENT);
}
