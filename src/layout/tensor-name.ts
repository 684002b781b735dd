import type { TensorInfo } from '../contracts/model.ts';

/** A tensor's block, null outside of the blocks, and what follows: `ffn_up.weight` of `blk.7.ffn_up.weight`. */
export type TensorName = { readonly block: number | null; readonly rest: string };

const BLOCKS = 'blk.';

/** Takes a name apart; no pattern is matched, since a survey reads some 40,000 of them. */
function tensorName(name: string): TensorName {
  if (!name.startsWith(BLOCKS)) return { block: null, rest: name };
  const dot = name.indexOf('.', BLOCKS.length);
  const block = Number(name.slice(BLOCKS.length, dot));
  if (dot <= BLOCKS.length || !Number.isSafeInteger(block)) return { block: null, rest: name };
  return { block, rest: name.slice(dot + 1) };
}

/** Searches ask for the names of the same tensors in every quant. */
const NAMES = new WeakMap<readonly TensorInfo[], readonly TensorName[]>();

/** The names of these tensors taken apart, in their order. */
export function tensorNames(tensors: readonly TensorInfo[]): readonly TensorName[] {
  const known = NAMES.get(tensors);
  if (known !== undefined) return known;
  const made = tensors.map(({ name }) => tensorName(name));
  NAMES.set(tensors, made);
  return made;
}

/** `tensors` with other types: what is known of the names is known of the copy. */
export function withTypes(
  tensors: readonly TensorInfo[],
  typeOf: (tensor: TensorInfo, position: number) => string,
): TensorInfo[] {
  const made = tensors.map((tensor, position) => {
    const type = typeOf(tensor, position);
    return tensor.type === type ? tensor : { ...tensor, type };
  });
  NAMES.set(made, tensorNames(tensors));
  return made;
}

/**
 * `of`, asked once for each name: the blocks of a model repeat a few dozen of them. Made anew for each
 * list of tensors, so that a file with a million names leaves nothing behind.
 */
export function rememberedByName<T>(of: (rest: string) => T): (rest: string) => T {
  const known = new Map<string, T>();
  return (rest) => {
    const before = known.get(rest);
    if (before !== undefined || known.has(rest)) return before as T;
    const found = of(rest);
    known.set(rest, found);
    return found;
  };
}
