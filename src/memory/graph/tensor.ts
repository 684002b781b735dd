/**
 * Tensors of a compute graph as ggml makes them: shapes, strides and who is a view of whom. No values:
 * only what decides how much memory the graph takes.
 */

export type ElementType = 'f32' | 'f16' | 'i32' | 'i64' | 'external';
type Shape = readonly [number, number, number, number];

export type GraphTensor = {
  /** ggml's operation; `NONE` for inputs, weights and caches. */
  readonly op: string;
  readonly type: ElementType;
  /** Of one element; a fraction for a type that is stored in blocks. */
  readonly elementBytes: number;
  readonly shape: Shape;
  /** Bytes from one element of a dimension to the next. */
  readonly strides: Shape;
  /** Replaced by the scheduler where a source is copied to another device. */
  sources: GraphTensor[];
  /** The tensor whose memory this one is a window of. */
  readonly viewOf: GraphTensor | null;
  /** Filled by the caller before each run (`ggml_set_input`). */
  input: boolean;
  /** Never overwritten nor freed during a run. */
  output: boolean;
  /** Backend that holds it from load on (weights, caches); null where the graph allocates it. */
  readonly home: number | null;
  readonly weight: boolean;
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

/** Bytes from the first element to the end of the last (`ggml_nbytes`). */
export function spannedBytes({ shape, strides, elementBytes }: GraphTensor): number {
  const [a, b, c, d] = shape;
  const [sa, sb, sc, sd] = strides;
  return elementBytes + (a - 1) * sa + (b - 1) * sb + (c - 1) * sc + (d - 1) * sd;
}

export function isContiguous(tensor: GraphTensor): boolean {
  const packed = dense(tensor.elementBytes, tensor.shape);
  return tensor.shape.every(
    (length, index) => length === 1 || tensor.strides[index] === packed[index],
  );
}

/** Same element type, shape and strides (`ggml_are_same_layout`). */
export function sameLayout(one: GraphTensor, other: GraphTensor): boolean {
  return (
    one.type === other.type && equal(one.shape, other.shape) && equal(one.strides, other.strides)
  );
}

function equal(one: Shape, other: Shape): boolean {
  return one[0] === other[0] && one[1] === other[1] && one[2] === other[2] && one[3] === other[3];
}

type Fields = Partial<
  Pick<GraphTensor, 'elementBytes' | 'strides' | 'viewOf' | 'input' | 'home' | 'weight'>
>;

function make(
  op: string,
  type: ElementType,
  dimensions: readonly number[],
  sources: readonly (GraphTensor | null)[],
  fields: Fields = {},
): GraphTensor {
  const shape = shapeOf(dimensions);
  const elementBytes = fields.elementBytes ?? ELEMENT_BYTES[type];
  const given: GraphTensor[] = [];
  for (const source of sources) if (source !== null) given.push(source);
  return {
    op,
    type,
    elementBytes,
    shape,
    strides: fields.strides ?? dense(elementBytes, shape),
    sources: given,
    viewOf: fields.viewOf ?? null,
    input: fields.input ?? false,
    output: false,
    home: fields.home ?? null,
    weight: fields.weight ?? false,
  };
}

/** Tensor that the caller fills before each run. */
export function input(type: ElementType, ...dimensions: number[]): GraphTensor {
  return make('NONE', type, dimensions, [], { input: true });
}

/** Tensor that lies in memory of its own on `home`; the size of its elements matters only where it is copied. */
export function held(
  home: number,
  weight: boolean,
  dimensions: readonly number[],
  elementBytes = 1,
): GraphTensor {
  return make('NONE', 'external', dimensions, [], { home, weight, elementBytes });
}

/** A copy with the same layout, as the scheduler makes for another device. */
export function layoutCopy(of: GraphTensor): GraphTensor {
  const { elementBytes, strides } = of;
  return make('NONE', of.type, of.shape, [], { elementBytes, strides });
}

/** What keeps a tensor alive until it has been copied. */
export function dependency(on: GraphTensor): GraphTensor {
  return { ...make('NONE', on.type, on.shape, [on]), strides: on.strides, viewOf: on.viewOf ?? on };
}

/** Result of `op` with a shape of its own, in F32 unless told. */
export function compute(
  op: string,
  dimensions: readonly number[],
  sources: readonly (GraphTensor | null)[],
  type: ElementType = 'f32',
): GraphTensor {
  return make(op, type, dimensions, sources);
}

/** Element-wise operation: the result is shaped as the first source. */
export function elementwise(op: string, first: GraphTensor, ...others: (GraphTensor | null)[]) {
  return make(op, 'f32', first.shape, [first, ...others]);
}

function window(op: string, of: GraphTensor, shape: Shape, strides: Shape): GraphTensor {
  const { elementBytes } = of;
  return make(op, of.type, shape, [of], { elementBytes, strides, viewOf: of.viewOf ?? of });
}

export function reshape(of: GraphTensor, ...dimensions: number[]): GraphTensor {
  const shape = shapeOf(dimensions);
  return window('RESHAPE', of, shape, dense(of.elementBytes, shape));
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
  axes.forEach((axis, from) => {
    shape[axis] = of.shape[from] ?? 1;
    strides[axis] = of.strides[from] ?? 0;
  });
  return window('PERMUTE', of, shape, strides);
}

export function transpose(of: GraphTensor): GraphTensor {
  const [a, b, c, d] = of.shape;
  const [sa, sb, sc, sd] = of.strides;
  return window('TRANSPOSE', of, [b, a, c, d], [sb, sa, sc, sd]);
}

/** Writes rows into a tensor in place: the result is a view of it. */
export function setRows(into: GraphTensor, rows: GraphTensor, indices: GraphTensor): GraphTensor {
  return make('SET_ROWS', into.type, into.shape, [rows, indices, into], {
    elementBytes: into.elementBytes,
    strides: into.strides,
    viewOf: into.viewOf ?? into,
  });
}

/** Operation that always writes over its source: the result is a view of it. */
export function overwrite(op: string, of: GraphTensor): GraphTensor {
  const { elementBytes, strides } = of;
  return make(op, of.type, of.shape, [of], { elementBytes, strides, viewOf: of.viewOf ?? of });
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
  private readonly seen = new Set<GraphTensor>();

  expand(tensor: GraphTensor): void {
    if (this.seen.has(tensor)) return;
    this.seen.add(tensor);
    for (const source of tensor.sources) this.expand(source);
    (tensor.op === 'NONE' ? this.leaves : this.nodes).push(tensor);
  }
}
