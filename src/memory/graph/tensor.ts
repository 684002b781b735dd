/**
 * Tensors of a compute graph as ggml makes them: shapes, strides and who is a view of whom. No values:
 * only what decides how much memory the graph takes.
 */

export type ElementType = 'f32' | 'f16' | 'i32' | 'i64' | 'external';
type Shape = readonly [number, number, number, number];

/** One tensor: what ggml knows of it, and what scheduling and allocating its graph note on it. */
export class GraphTensor {
  /** ggml's operation; `NONE` for inputs, weights and caches. */
  readonly op: string;
  readonly type: ElementType;
  /** Of one element; a fraction for a type that is stored in blocks. */
  readonly elementBytes: number;
  readonly shape: Shape;
  /** Replaced by the scheduler where a source is copied to another device. */
  readonly sources: GraphTensor[];
  /** The tensor whose memory this one is a window of. */
  readonly viewOf: GraphTensor | null;
  /** Filled by the caller before each run (`ggml_set_input`). */
  input = false;
  /** Never overwritten nor freed during a run. */
  output = false;
  /** Backend that holds it from load on (weights, caches); null where the graph allocates it. */
  home: number | null = null;
  weight = false;

  // Notes: a map from tensor to note for each of them takes longer than all that is noted.
  /** Whether the graph has it already. */
  seen = false;
  /** Backend that computes it, once the scheduler has chosen one. */
  backend: number | null = null;
  /** Nodes that have yet to read it, and windows of it that are still read. */
  readers = 0;
  windows = 0;
  /** Whether it holds memory of its own, and where: in the buffer of which backend. */
  owns = false;
  offset = 0;
  buffer = 0;

  /** Null: the elements lie densely. */
  private readonly apart: Shape | null;

  constructor(
    op: string,
    type: ElementType,
    shape: Shape,
    sources: GraphTensor[],
    window: Window = { elementBytes: ELEMENT_BYTES[type], strides: null, viewOf: null },
  ) {
    this.op = op;
    this.type = type;
    this.shape = shape;
    this.sources = sources;
    this.elementBytes = window.elementBytes;
    this.viewOf = window.viewOf;
    this.apart = window.strides;
  }

  /** Bytes from one element of a dimension to the next. */
  get strides(): Shape {
    return this.apart ?? dense(this.elementBytes, this.shape);
  }

  /** Bytes from the first element to the end of the last (`ggml_nbytes`). */
  get spannedBytes(): number {
    const { shape, elementBytes, apart } = this;
    const [a, b, c, d] = shape;
    if (apart === null) return elementBytes * a * b * c * d;
    return (
      elementBytes +
      (a - 1) * apart[0] +
      (b - 1) * apart[1] +
      (c - 1) * apart[2] +
      (d - 1) * apart[3]
    );
  }

  /** Same element type, shape and strides (`ggml_are_same_layout`). */
  hasLayoutOf(other: GraphTensor): boolean {
    if (this.type !== other.type || !equal(this.shape, other.shape)) return false;
    const bothDense = this.apart === null && other.apart === null;
    return bothDense && this.elementBytes === other.elementBytes
      ? true
      : equal(this.strides, other.strides);
  }
}

/** What a tensor lies in, where not densely in memory of its own. */
type Window = {
  readonly elementBytes: number;
  readonly strides: Shape | null;
  readonly viewOf: GraphTensor | null;
};

const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = {
  f32: 4,
  f16: 2,
  i32: 4,
  i64: 8,
  // Held outside of the graph: whoever makes it says what its elements take.
  external: 0,
};

const VIEW_OPS: ReadonlySet<string> = new Set(['RESHAPE', 'VIEW', 'PERMUTE', 'TRANSPOSE']);

/** An operation that computes nothing (`ggml_is_view_op`). */
export function isViewOp(tensor: GraphTensor): boolean {
  return tensor.op === 'NONE' || VIEW_OPS.has(tensor.op);
}

function dense(element: number, shape: Shape): Shape {
  const [a, b, c] = shape;
  return [element, element * a, element * a * b, element * a * b * c];
}

function shapeOf(dimensions: readonly number[]): Shape {
  const [a = 1, b = 1, c = 1, d = 1] = dimensions;
  return [a, b, c, d];
}

export function elements({ shape }: GraphTensor): number {
  return shape[0] * shape[1] * shape[2] * shape[3];
}

export function isContiguous(tensor: GraphTensor): boolean {
  const packed = dense(tensor.elementBytes, tensor.shape);
  return tensor.shape.every(
    (length, index) => length === 1 || tensor.strides[index] === packed[index],
  );
}

function equal(one: Shape, other: Shape): boolean {
  return one[0] === other[0] && one[1] === other[1] && one[2] === other[2] && one[3] === other[3];
}

/** Tensor that the caller fills before each run. */
export function input(type: ElementType, ...dimensions: number[]): GraphTensor {
  const made = new GraphTensor('NONE', type, shapeOf(dimensions), []);
  made.input = true;
  return made;
}

/** Tensor that lies in memory of its own on `home`; the size of its elements matters only where it is copied. */
export function held(
  home: number,
  weight: boolean,
  dimensions: readonly number[],
  elementBytes = 1,
): GraphTensor {
  const place = { elementBytes, strides: null, viewOf: null };
  const made = new GraphTensor('NONE', 'external', shapeOf(dimensions), [], place);
  made.home = home;
  made.weight = weight;
  return made;
}

/** A copy with the same layout, as the scheduler makes for another device. */
export function layoutCopy(of: GraphTensor): GraphTensor {
  const { elementBytes, strides } = of;
  const place = { elementBytes, strides, viewOf: null };
  return new GraphTensor('NONE', of.type, of.shape, [], place);
}

/** What keeps a tensor alive until it has been copied. */
export function dependency(on: GraphTensor): GraphTensor {
  return window('NONE', on, on.shape, on.strides);
}

/** Result of `op` with a shape of its own, in F32 unless told. */
export function compute(
  op: string,
  dimensions: readonly number[],
  sources: readonly (GraphTensor | null)[],
  type: ElementType = 'f32',
): GraphTensor {
  return new GraphTensor(op, type, shapeOf(dimensions), given(sources));
}

function given(sources: readonly (GraphTensor | null)[]): GraphTensor[] {
  const found: GraphTensor[] = [];
  for (const source of sources) if (source !== null) found.push(source);
  return found;
}

/** Element-wise operation: the result is shaped as the first source. */
export function elementwise(op: string, first: GraphTensor, ...others: (GraphTensor | null)[]) {
  return new GraphTensor(op, 'f32', first.shape, [first, ...given(others)]);
}

/** Part of a tensor, or all of it in another shape. */
function window(op: string, of: GraphTensor, shape: Shape, strides: Shape | null): GraphTensor {
  const { elementBytes } = of;
  const place = { elementBytes, strides, viewOf: of.viewOf ?? of };
  return new GraphTensor(op, of.type, shape, [of], place);
}

export function reshape(of: GraphTensor, ...dimensions: number[]): GraphTensor {
  return window('RESHAPE', of, shapeOf(dimensions), null);
}

/** Window with the given lengths; missing strides go on densely from the last one given, in bytes. */
export function view(
  of: GraphTensor,
  dimensions: readonly number[],
  strides: readonly number[] = [],
): GraphTensor {
  const shape = shapeOf(dimensions);
  const first = of.elementBytes;
  const second = strides[0] ?? first * shape[0];
  const third = strides[1] ?? second * shape[1];
  const fourth = strides[2] ?? third * shape[2];
  return window('VIEW', of, shape, [first, second, third, fourth]);
}

/** `ggml_permute`: dimension i of `of` becomes dimension `axes[i]`. */
export function permute(of: GraphTensor, axes: readonly [number, number, number, number]) {
  const shape: [number, number, number, number] = [1, 1, 1, 1];
  const strides: [number, number, number, number] = [0, 0, 0, 0];
  const before = of.strides;
  for (const from of AXES) {
    shape[axes[from]] = of.shape[from];
    strides[axes[from]] = before[from];
  }
  return window('PERMUTE', of, shape, strides);
}

const AXES = [0, 1, 2, 3] as const;

export function transpose(of: GraphTensor): GraphTensor {
  const [a, b, c, d] = of.shape;
  const [sa, sb, sc, sd] = of.strides;
  return window('TRANSPOSE', of, [b, a, c, d], [sb, sa, sc, sd]);
}

/** Writes rows into a tensor in place: the result is a view of it. */
export function setRows(into: GraphTensor, rows: GraphTensor, indices: GraphTensor): GraphTensor {
  const { elementBytes, strides } = into;
  const place = { elementBytes, strides, viewOf: into.viewOf ?? into };
  return new GraphTensor('SET_ROWS', into.type, into.shape, [rows, indices, into], place);
}

/** Result of `op`, in F32, that is written into memory of `into`. */
export function written(
  op: string,
  into: GraphTensor,
  shape: Shape,
  sources: GraphTensor[],
): GraphTensor {
  const place = { elementBytes: ELEMENT_BYTES.f32, strides: null, viewOf: into };
  return new GraphTensor(op, 'f32', shape, sources, place);
}

/** Operation that always writes over its source: the result is a view of it. */
export function overwrite(op: string, of: GraphTensor): GraphTensor {
  return window(op, of, of.shape, of.strides);
}

export function matrixProduct(matrix: GraphTensor, by: GraphTensor): GraphTensor {
  return compute('MUL_MAT', [matrix.shape[1], by.shape[1], by.shape[2], by.shape[3]], [matrix, by]);
}

/** Product with the matrices of the selected experts. */
export function expertProduct(matrices: GraphTensor, by: GraphTensor, selected: GraphTensor) {
  return compute(
    'MUL_MAT_ID',
    [matrices.shape[1], selected.shape[0], by.shape[2]],
    [matrices, by, selected],
  );
}

export function rows(of: GraphTensor, indices: GraphTensor): GraphTensor {
  const [a, b, c] = indices.shape;
  return compute('GET_ROWS', [of.shape[0], a, b, c], [of, indices]);
}

/** Nodes in the order in which ggml computes them: each after its sources (`ggml_build_forward_expand`). */
export class Graph {
  readonly nodes: GraphTensor[] = [];
  readonly leaves: GraphTensor[] = [];

  /** A tensor belongs to one graph: it remembers that it is in. */
  expand(tensor: GraphTensor): void {
    if (tensor.seen) return;
    tensor.seen = true;
    for (const source of tensor.sources) this.expand(source);
    (tensor.op === 'NONE' ? this.leaves : this.nodes).push(tensor);
  }
}
