import { extname } from 'node:path';
import type { Readable } from 'node:stream';
import { MmdeployError, messageOf } from '../../errors.ts';
import { jsonlRow } from './jsonl.ts';
import type { LineOptions } from './lines.ts';
import { MAX_LINE_BYTES, lineBatches } from './lines.ts';
import { listRow } from './list.ts';
import { badRow } from './row.ts';
import { folderOf, openBytes } from './source.ts';
import type { ManifestRow } from './types.ts';

export type { ManifestMessage, ManifestPart, ManifestRow, RowSettings } from './types.ts';

export type ManifestOptions = {
  /** Where relative manifest paths start, and the paths of one on stdin. */
  readonly cwd: string;
  /** Opened for `-` only. */
  readonly stdin: () => Readable;
  /** `list`: one path a line. Else the name says: `.jsonl`, `.csv`, `.parquet`; without one, JSONL. */
  readonly format?: ManifestFormat;
  /** Between the paths of a list. */
  readonly separator?: LineOptions['separator'];
  readonly maxLineBytes?: number;
};

export type ManifestFormat = 'jsonl' | 'list';

/**
 * The rows of a manifest, one batch for each chunk that is read: constant memory, however long it is.
 * A line that cannot be read is a row with a `problem`. Throws `file.missing`, `file.unreadable` or
 * `usage.invalid` where there is no manifest at all.
 */
export async function* manifestRows(
  path: string,
  options: ManifestOptions,
): AsyncGenerator<readonly ManifestRow[]> {
  const format = options.format ?? formatOf(path);
  const { separator = '\n', maxLineBytes = MAX_LINE_BYTES } = options;
  const source = await openBytes(path, options);
  const folder = folderOf(path);
  const read = format === 'list' ? listRow : jsonlRow;
  let next = 1;
  try {
    for await (const lines of lineBatches(source, { separator, maxLineBytes })) {
      yield lines.map((line) => read(line, folder));
      next = (lines.at(-1)?.number ?? 0) + 1;
    }
  } catch (error) {
    // A broken archive or disk in the middle: what came before it counts.
    yield [badRow(next, `the rest cannot be read: ${messageOf(error)}`)];
  }
}

const FORMATS: Readonly<Record<string, ManifestFormat>> = {
  '': 'jsonl',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
};

function formatOf(path: string): ManifestFormat {
  const name = path.toLowerCase().replace(/\.gz$/, '');
  const format = FORMATS[extname(name)];
  if (format !== undefined) return format;
  const known = Object.keys(FORMATS).filter((extension) => extension !== '');
  throw new MmdeployError('usage.invalid', `\`--manifest ${path}\`: not ${known.join(', ')}`, {
    hints: ['a list of paths goes to stdin: `mmdeploy estimate - --model gpt-4o < list.txt`'],
  });
}
