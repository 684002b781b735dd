/** A tensor's block, null outside of the blocks, and what follows: `ffn_up.weight` of `blk.7.ffn_up.weight`. */
export type TensorName = { readonly block: number | null; readonly rest: string };

const BLOCKS = 'blk.';

/** Takes a name apart. Searches do this for every tensor of every quant, so no pattern is matched here. */
export function tensorName(name: string): TensorName {
  if (!name.startsWith(BLOCKS)) return { block: null, rest: name };
  const dot = name.indexOf('.', BLOCKS.length);
  const block = Number(name.slice(BLOCKS.length, dot));
  if (dot <= BLOCKS.length || !Number.isSafeInteger(block)) return { block: null, rest: name };
  return { block, rest: name.slice(dot + 1) };
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
