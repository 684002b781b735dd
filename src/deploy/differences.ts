/** Lines of `wanted` that `found` has not (`-`), and the other way round (`+`), by their numbers. */
export function differences(wanted: string, found: string): readonly string[] {
  const [before, after] = [wanted.split('\n'), found.split('\n')];
  const gone = missingFrom(before, after).map(({ at, line }) => ({ at, text: `- ${at}: ${line}` }));
  const come = missingFrom(after, before).map(({ at, line }) => ({ at, text: `+ ${at}: ${line}` }));
  const all = [...gone, ...come].sort((one, other) => one.at - other.at).map(({ text }) => text);
  if (all.length > 0 || wanted === found) return all;
  return ['the same lines in another order'];
}

/** Each line as often as it is there more often. */
function missingFrom(lines: readonly string[], others: readonly string[]) {
  const left = new Map<string, number>();
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1);
  return lines.flatMap((line, index) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count > 0 ? [] : [{ at: index + 1, line }];
  });
}
