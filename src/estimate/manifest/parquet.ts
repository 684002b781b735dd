import type { FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { AsyncBuffer, Compressors, FileMetaData } from 'hyparquet';
import { MmdeployError, messageOf } from '../../errors.ts';
import { unknownColumns } from './csv.ts';
import { addFlat, keyOfColumn } from './flat.ts';
import { badRow, closeRow, openRow } from './row.ts';
import { opened } from './source.ts';
import type { ManifestRow } from './types.ts';

/** Row groups are read whole: one that is larger unpacked would not leave memory for anything else. */
const MAX_GROUP_BYTES = 1024 * 1024 * 1024;
const ROWS_PER_BATCH = 4096;

/** What Node unpacks by itself; Snappy comes with hyparquet. */
const COMPRESSORS: Compressors = {
  GZIP: (input) => gunzipSync(input),
  BROTLI: (input) => brotliDecompressSync(input),
};

type Columns = {
  readonly names: readonly string[];
  readonly keys: readonly (readonly [string, NonNullable<ReturnType<typeof keyOfColumn>>])[];
};

/**
 * The rows of a Parquet file, of which only the known columns are read, one row group at a time. `line` is
 * the row's number. Throws `input.invalid` when it is no Parquet file, or none of its columns is known.
 */
export async function* parquetRows(
  path: string,
  { cwd, folder }: { readonly cwd: string; readonly folder: string },
): AsyncGenerator<readonly ManifestRow[]> {
  const handle = await opened(path, resolve(cwd, path));
  try {
    const file = await bufferOf(handle);
    const metadata = await metadataOf(path, file);
    const columns = columnsOf(path, metadata);
    let first = 0;
    for (const [index, { num_rows: rows }] of metadata.row_groups.entries()) {
      const group = { index, first, end: first + Number(rows) };
      yield* groupRows({ file, metadata, columns, group, folder });
      first = group.end;
    }
  } finally {
    await handle.close();
  }
}

async function bufferOf(handle: FileHandle): Promise<AsyncBuffer> {
  const { size } = await handle.stat();
  return {
    byteLength: size,
    slice: async (start, end = size) => {
      const bytes = new Uint8Array(end - start);
      let filled = 0;
      while (filled < bytes.length) {
        const left = bytes.length - filled;
        const { bytesRead } = await handle.read(bytes, filled, left, start + filled);
        if (bytesRead === 0) throw new Error('the file ends before its data does');
        filled += bytesRead;
      }
      return bytes.buffer;
    },
  };
}

async function metadataOf(path: string, file: AsyncBuffer): Promise<FileMetaData> {
  const { parquetMetadataAsync } = await import('hyparquet');
  try {
    return await parquetMetadataAsync(file);
  } catch (error) {
    const why = messageOf(error);
    throw new MmdeployError('input.invalid', `\`--manifest ${path}\`: no Parquet file: ${why}`, {
      hints: ['other forms: `mmdeploy estimate --manifest items.jsonl`, or `.csv`'],
      cause: error,
    });
  }
}

function columnsOf(path: string, { schema }: FileMetaData): Columns {
  const names = topLevelNames(schema);
  const keys = names.flatMap((name) => {
    const key = keyOfColumn(name);
    return key === null ? [] : [[name, key] as const];
  });
  if (keys.length === 0) throw unknownColumns(path, names);
  return { names: keys.map(([name]) => name), keys };
}

/** The schema is a tree written flat, its root first. */
function topLevelNames(schema: FileMetaData['schema']): string[] {
  const names: string[] = [];
  for (let at = 1; at < schema.length;) {
    names.push(schema[at]?.name ?? '');
    let open = 1;
    while (open > 0) open += (schema[at++]?.num_children ?? 0) - 1;
  }
  return names;
}

type Group = {
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly columns: Columns;
  readonly group: { readonly index: number; readonly first: number; readonly end: number };
  readonly folder: string;
};

async function* groupRows(options: Group): AsyncGenerator<readonly ManifestRow[]> {
  const { metadata, columns, group, folder } = options;
  const { first, end, index } = group;
  const bytes = bytesOf(metadata, index, columns);
  const rows =
    bytes > MAX_GROUP_BYTES ? 'larger than 1 GiB: write smaller ones' : await read(options);
  if (typeof rows === 'string') {
    yield [badRow(first + 1, `rows ${first + 1} to ${end} cannot be read: ${rows}`, 'row')];
    return;
  }
  for (let at = 0; at < rows.length; at += ROWS_PER_BATCH) {
    const batch = rows.slice(at, at + ROWS_PER_BATCH);
    yield batch.map((cells, offset) => rowOf(cells, first + at + offset + 1, columns, folder));
  }
}

function bytesOf({ row_groups: groups }: FileMetaData, index: number, { names }: Columns): number {
  const used = (groups[index]?.columns ?? []).filter(({ meta_data: meta }) =>
    names.includes(meta?.path_in_schema[0] ?? ''),
  );
  return used.reduce((sum, { meta_data: m }) => sum + Number(m?.total_uncompressed_size ?? 0), 0);
}

type Record = Readonly<{ [column: string]: unknown }>;

/** Returns what is wrong with the group as text: the others may be sound. */
async function read({ file, metadata, columns, group }: Group): Promise<Record[] | string> {
  const { parquetReadObjects } = await import('hyparquet');
  try {
    return await parquetReadObjects({
      ...{ file, metadata, columns: [...columns.names], rowStart: group.first, rowEnd: group.end },
      compressors: COMPRESSORS,
      // Bytes of pictures would be taken for text.
      utf8: false,
    });
  } catch (error) {
    return messageOf(error);
  }
}

function rowOf(record: Record, line: number, columns: Columns, folder: string): ManifestRow {
  const cells: Parameters<typeof addFlat>[1] = {};
  for (const [name, key] of columns.keys) cells[key] = textOf(record[name]);
  const row = openRow(line, folder, 'row');
  return closeRow(row, addFlat(row, cells), 'row');
}

/** Old writers did not mark their texts as such. */
function textOf(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : value;
}
