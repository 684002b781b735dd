import { addItem, itemSettings } from './item.ts';
import type { OpenRow, Problem } from './row.ts';
import { isObject, shown } from './row.ts';

/** Columns of a table and the item key that each becomes; other columns are passed over. */
const COLUMNS = {
  id: 'id',
  custom_id: 'id',
  path: 'path',
  file: 'path',
  file_name: 'path',
  filename: 'path',
  image: 'image',
  audio: 'audio',
  video: 'video',
  width: 'width',
  height: 'height',
  seconds: 'seconds',
  duration: 'seconds',
  fps: 'fps',
  text: 'text',
  text_tokens: 'textTokens',
  count: 'count',
  detail: 'detail',
  model: 'model',
  max_tokens: 'maxTokens',
} as const;

type Key = (typeof COLUMNS)[keyof typeof COLUMNS];
type Cells = Partial<Record<Key, unknown>>;

const NUMBERS: readonly Key[] = [
  ...(['width', 'height', 'seconds', 'fps'] as const),
  ...(['textTokens', 'count', 'maxTokens'] as const),
];
const SIZES = ['width', 'height', 'seconds', 'fps'] as const;
const FILES = ['image', 'audio', 'video', 'path'] as const;

export const COLUMN_NAMES: readonly string[] = Object.keys(COLUMNS);

/** What a column is for; null for those that are passed over. */
export function keyOfColumn(name: string): Key | null {
  const known = name.trim().toLowerCase().replaceAll(/[\s-]/g, '_');
  return Object.hasOwn(COLUMNS, known) ? COLUMNS[known as keyof typeof COLUMNS] : null;
}

/** Adds a line of a table, in which a size belongs to the one file beside it or is an input itself. */
export function addFlat(row: OpenRow, cells: Cells): Problem {
  for (const key of NUMBERS) {
    if (!(key in cells)) continue;
    const number = numberOf(cells[key]);
    if (number === null) return `${key}: ${shown(cells[key])} is no number`;
    cells[key] = number;
  }
  const item: Record<string, unknown> = {};
  for (const key in cells) {
    const value = cells[key as Key];
    if (value === '' || value === null || value === undefined) continue;
    if (SIZES.includes(key as 'fps')) continue;
    item[key] = isObject(value) ? bytesOrPath(value) : value;
  }
  return placeSizes(item, cells) ?? itemSettings(item, row) ?? addItem(row, item, '', 1);
}

/** `{bytes, path}`, in which one of both may be missing. */
function bytesOrPath(value: Readonly<Record<string, unknown>>): unknown {
  return value['bytes'] instanceof Uint8Array ? value : (value['path'] ?? undefined);
}

/** Cells of a CSV file are texts; an empty one says nothing. Null: not a number. */
function numberOf(cell: unknown): number | undefined | null {
  if (cell === undefined || cell === null || typeof cell === 'number') return cell ?? undefined;
  if (typeof cell === 'bigint') return Number(cell);
  if (typeof cell !== 'string') return null;
  if (cell.trim() === '') return undefined;
  const number = Number(cell);
  return Number.isNaN(number) ? null : number;
}

/** Moves width, height, seconds and fps into the medium that they describe. */
function placeSizes(item: Record<string, unknown>, cells: Cells): Problem {
  const sizes = SIZES.filter((key) => cells[key] !== undefined);
  if (sizes.length === 0) return null;
  const files = FILES.filter((key) => item[key] !== undefined);
  if (files.length > 1) return `${sizes.join(', ')}: of which of ${files.join(' and ')}?`;
  const [file = 'path'] = files;
  const sized =
    cells.seconds === undefined ? 'image' : cells.width === undefined ? 'audio' : 'video';
  const medium = file === 'path' ? sized : file;
  const from = item[file];
  if (isObject(from)) return `${sizes.join(', ')}: a size beside bytes, which have their own`;
  Reflect.deleteProperty(item, file);
  item[medium] = {
    ...(from === undefined ? {} : { path: from }),
    ...Object.fromEntries(sizes.map((key) => [key, cells[key]])),
  };
  return null;
}
