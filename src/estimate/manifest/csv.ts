import type { Parser } from 'csv-parse';
import { MmdeployError } from '../../errors.ts';
import { COLUMN_NAMES, addFlat, keyOfColumn } from './flat.ts';
import { badRow, closeRow, openRow } from './row.ts';
import type { ManifestRow } from './types.ts';

export type CsvOptions = {
  /** As the user called it, for messages. */
  readonly path: string;
  readonly folder: string;
  readonly delimiter: ',' | '\t';
  readonly maxLineBytes: number;
};

type Keys = readonly ReturnType<typeof keyOfColumn>[];
type CsvRecord = readonly string[];

/**
 * The rows of a CSV file with a header, one batch for each chunk. `line` is the line on which a record
 * ends. Throws `input.invalid` when the header has no column that means anything here.
 */
export async function* csvRows(
  source: AsyncIterable<Uint8Array>,
  options: CsvOptions,
): AsyncGenerator<readonly ManifestRow[]> {
  const { parse } = await import('csv-parse');
  let bad: ManifestRow[] = [];
  const parser = parse({
    bom: true,
    delimiter: options.delimiter,
    max_record_size: options.maxLineBytes,
    relax_column_count: true,
    // An inch sign within a cell is no quotation; a quotation that never ends spoils what is behind it.
    relax_quotes: true,
    skip_records_with_error: true,
    on_skip: (error) => {
      const { lines } = (error ?? {}) as { readonly lines?: number };
      bad.push(badRow(lines ?? 0, error?.message ?? 'no CSV'));
      return undefined;
    },
  });
  let keys: Keys | null = null;
  let line = 0;
  const drain = (): readonly ManifestRow[] => {
    const rows = bad;
    bad = [];
    for (let next = take(parser); next !== null; next = take(parser)) {
      line += linesOf(next);
      if (next.length === 1 && next[0] === '') continue;
      if (keys === null) keys = headerKeys(next, options);
      else rows.push(rowOf(next, line, keys, options.folder));
    }
    return rows;
  };
  for await (const chunk of source) {
    const written = settled((done) => parser.write(chunk, done));
    // It parses at once, and asks for more only when its records are taken.
    const rows = drain();
    await written;
    yield [...rows, ...drain()];
  }
  const ended = settled((done) => parser.end(done));
  const rows = drain();
  await ended;
  yield [...rows, ...drain()];
}

/** Waits for the parser to have taken in what it was given; throws what it says about it. */
function settled(act: (done: (error?: Error | null) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    act((error) => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
  });
}

function take(parser: Parser): CsvRecord | null {
  return parser.read() as CsvRecord | null;
}

function headerKeys(header: readonly string[], { path }: CsvOptions): Keys {
  const keys = header.map(keyOfColumn);
  if (keys.some((key) => key !== null)) return keys;
  throw unknownColumns(path, header);
}

/** A table of which nothing is known is no manifest, and none of its rows could say more than that. */
export function unknownColumns(path: string, header: readonly string[]): MmdeployError {
  const columns = header.slice(0, 10).join(', ');
  return new MmdeployError(
    'input.invalid',
    `\`--manifest ${path}\`: no column of an input among ${columns === '' ? 'none' : columns}`,
    {
      details: [`known columns: ${COLUMN_NAMES.join(', ')}`],
      hints: ['name them in its first line, then `mmdeploy estimate --manifest items.csv`'],
    },
  );
}

/** The parser would tell as well, for a third more of its time. */
function linesOf(record: CsvRecord): number {
  let lines = 1;
  for (const cell of record) {
    for (let at = cell.indexOf('\n'); at !== -1; at = cell.indexOf('\n', at + 1)) lines += 1;
  }
  return lines;
}

function rowOf(record: CsvRecord, line: number, keys: Keys, folder: string): ManifestRow {
  if (record.length !== keys.length) {
    return badRow(line, `${record.length} cells, and the header has ${keys.length}`);
  }
  const cells: Parameters<typeof addFlat>[1] = {};
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index];
    if (key !== null && key !== undefined) cells[key] = record[index];
  }
  const row = openRow(line, folder);
  return closeRow(row, addFlat(row, cells));
}
