/** Formats as they stand in file names, besides the engine's own spelling. */
const FLOAT_NAMES = ['f16', 'fp16', 'f32', 'fp32', 'bf16'];
const SHARD = /-\d{5}-of-\d{5}$/;

/**
 * The usual name of the same file in another format: the format in the name is replaced
 * (`mmproj-model-f16.gguf` to `mmproj-model-Q8_0.gguf`), or put at the end where there is none. The parts
 * of a split file become one file. `from` is the format that the source is in.
 */
export function quantisedName(name: string, from: string | null, to: string): string {
  const stem = name.replace(/\.gguf$/i, '').replace(SHARD, '');
  const known = new Set([...FLOAT_NAMES, ...(from === null ? [] : [from.toLowerCase()])]);
  // `Q4_K_M` holds separators itself: whole formats are looked for, between other parts of the name.
  const found = [...known]
    .map((format) => ({ format, at: lastPart(stem, format) }))
    .filter(({ at }) => at !== -1)
    .sort((a, b) => b.at - a.at || b.format.length - a.format.length)[0];
  if (found === undefined) return `${stem}-${to}.gguf`;
  return `${stem.slice(0, found.at)}${to}${stem.slice(found.at + found.format.length)}.gguf`;
}

/** Where `part` stands last in `stem` between separators or the ends; -1 where it does not. */
function lastPart(stem: string, part: string): number {
  const lower = stem.toLowerCase();
  const isEdge = (at: number) => at < 0 || at >= lower.length || /[-._]/.test(lower[at] ?? '');
  for (let at = lower.lastIndexOf(part); at !== -1; at = lower.lastIndexOf(part, at - 1)) {
    if (isEdge(at - 1) && isEdge(at + part.length)) return at;
    if (at === 0) return -1;
  }
  return -1;
}
