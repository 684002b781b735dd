import type { TensorInfo } from '../../contracts/model.ts';

export type TensorShapes = ReadonlyMap<string, readonly number[]>;

/** A search lays the same tensors out dozens of times: they are sorted by name once. */
const KNOWN = new WeakMap<readonly TensorInfo[], TensorShapes>();

/** Shapes by name. */
export function shapesOf(tensors: readonly TensorInfo[]): TensorShapes {
  const known = KNOWN.get(tensors);
  if (known !== undefined) return known;
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  KNOWN.set(tensors, shapes);
  return shapes;
}
