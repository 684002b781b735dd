import { roundUp } from '../../units.ts';
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
  private readonly buffers: readonly Buffer[];

  constructor(backends: number) {
    this.buffers = Array.from({ length: backends }, () => new Buffer());
  }

  sizes(): number[] {
    return this.buffers.map(({ size }) => size);
  }

  /** First pass: how many readers and windows a tensor has; inputs get their place before all else. */
  count(node: GraphTensor, backend: number): void {
    if (node.viewOf !== null && node.op !== 'NONE') node.viewOf.windows += 1;
    if (node.input) this.place(node, backend);
    for (const source of node.sources) {
      source.readers += 1;
      if (source.input) this.place(source, backend);
    }
  }

  run(node: GraphTensor, backend: number): void {
    for (const source of node.sources) this.place(source, backend);
    this.place(node, backend);
    for (const source of node.sources) this.leave(source);
  }

  place(tensor: GraphTensor, backend: number): void {
    if (tensor.home !== null || tensor.owns || tensor.viewOf !== null) return;
    tensor.owns = true;
    if (IN_PLACE.has(tensor.op) && takesOver(tensor)) return;
    tensor.buffer = backend;
    tensor.offset = this.buffer(backend).take(paddedBytes(tensor));
  }

  /** One reader fewer; after the last one the memory is given back. */
  private leave(tensor: GraphTensor): void {
    tensor.readers -= 1;
    if (tensor.readers !== 0 || tensor.windows !== 0) return;
    const root = tensor.viewOf;
    if (root === null) {
      this.free(tensor);
      return;
    }
    root.windows -= 1;
    if (root.windows === 0 && root.readers === 0) this.free(root);
  }

  private free(tensor: GraphTensor): void {
    if (!tensor.owns || tensor.output) return;
    this.buffer(tensor.buffer).release(tensor.offset, paddedBytes(tensor));
    tensor.owns = false;
  }

  private buffer(backend: number): Buffer {
    const buffer = this.buffers[backend];
    if (buffer === undefined) throw new Error(`no backend ${backend}`);
    return buffer;
  }
}

/** Takes the place of a source that this node alone still reads; a window of another tensor is never taken. */
function takesOver(tensor: GraphTensor): boolean {
  for (const parent of tensor.sources) {
    if (!parent.owns || parent.output || parent.readers !== 1 || parent.windows !== 0) continue;
    if (!tensor.hasLayoutOf(parent)) continue;
    tensor.buffer = parent.buffer;
    tensor.offset = parent.offset;
    parent.owns = false;
    return true;
  }
  return false;
}

function paddedBytes(tensor: GraphTensor): number {
  return roundUp(tensor.spannedBytes, ALIGNMENT);
}
