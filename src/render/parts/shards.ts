const FIRST = /-00001-of-(\d{5})\.gguf$/;

/** All files of a model in several, by the name (or the address) of the first; else that one alone. */
export function shardNames(first: string): readonly string[] {
  const count = FIRST.exec(first)?.[1];
  if (count === undefined) return [first];
  return Array.from({ length: Number(count) }, (_, index) =>
    first.replace(FIRST, `-${String(index + 1).padStart(5, '0')}-of-${count}.gguf`),
  );
}
