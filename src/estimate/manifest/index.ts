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

export type { ManifestRow } from './types.ts';

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
  /** Keep all of pictures in long lines, which otherwise end with their first MiB. */
  readonly wholePictures?: boolean;
};

export type ManifestFormat = 'jsonl' | 'csv' | 'tsv' | 'parquet' | 'list';

/**
 * The rows of a manifest, one batch for each chunk that is read: constant memory, however long it is.
 * A line that cannot be read is a row with a `problem`. Throws `file.missing`, `file.unreadable`,
 * `usage.invalid` or `input.invalid` where there is no manifest at all.
 */
export async function* manifestRows(
  path: string,
  options: ManifestOptions,
): AsyncGenerator<readonly ManifestRow[]> {
  const format = options.format ?? formatOf(path);
  let line = 0;
  try {
    for await (const rows of rowsOf(path, format, options)) {
      if (rows.length > 0) yield rows;
      line = rows.at(-1)?.line ?? line;
    }
  } catch (error) {
    if (error instanceof MmdeployError) throw error;
    // A broken archive or disk in the middle: what came before it counts.
    yield [badRow(line + 1, `the rest cannot be read: ${messageOf(error)}`)];
  }
}

async function* rowsOf(
  path: string,
  format: ManifestFormat,
  options: ManifestOptions,
): AsyncGenerator<readonly ManifestRow[]> {
  const { separator = '\n', maxLineBytes = MAX_LINE_BYTES, wholePictures = false } = options;
  const folder = folderOf(path);
  if (format === 'parquet') {
    const { parquetRows } = await import('./parquet.ts');
    yield* parquetRows(path, { cwd: options.cwd, folder });
    return;
  }
  const source = await openBytes(path, options);
  if (format === 'csv' || format === 'tsv') {
    const { csvRows } = await import('./csv.ts');
    yield* csvRows(source, {
      path,
      folder,
      delimiter: format === 'csv' ? ',' : '\t',
      maxLineBytes,
    });
    return;
  }
  const read = format === 'list' ? listRow : jsonlRow;
  for await (const lines of lineBatches(source, { separator, maxLineBytes, wholePictures })) {
    yield lines.map((line) => read(line, folder));
  }
}

const FORMATS: Readonly<Record<string, ManifestFormat>> = {
  '': 'jsonl',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.parquet': 'parquet',
};

function formatOf(path: string): ManifestFormat {
  const name = path.toLowerCase().replace(/\.gz$/, '');
  const format = FORMATS[extname(name)];
  if (format === 'parquet' && name !== path.toLowerCase()) {
    throw new MmdeployError(
      'usage.invalid',
      `\`--manifest ${path}\`: Parquet is packed by itself`,
      {
        hints: [`unpack it: \`gunzip ${path}\``],
      },
    );
  }
  if (format !== undefined) return format;
  const known = Object.keys(FORMATS).filter((extension) => extension !== '');
  throw new MmdeployError('usage.invalid', `\`--manifest ${path}\`: not ${known.join(', ')}`, {
    hints: ['a list of paths goes to stdin: `mmdeploy estimate - --model gpt-4o < list.txt`'],
  });
}
