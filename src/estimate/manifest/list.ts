import type { Line } from './lines.ts';
import { addSource, badRow, closeRow, openRow } from './row.ts';
import type { ManifestRow } from './types.ts';

/** One path, folder, pattern or address a line, as `find` and `git ls-files` print them. */
export function listRow({ number, text, problem }: Line, folder: string): ManifestRow {
  if (problem !== null) return badRow(number, problem);
  const row = openRow(number, folder);
  const wanted = { modality: null, count: 1, detail: null, where: 'path' } as const;
  return closeRow(row, addSource(row, { from: text, ...wanted }));
}
