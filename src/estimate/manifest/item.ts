import type { EstimateInput } from '../../contracts/estimate.ts';
import { namedInput } from '../describe-input.ts';
import type { OpenRow, Problem } from './row.ts';
import {
  DETAILS,
  MAX_COUNT,
  addSource,
  addText,
  describe,
  isObject,
  placed,
  shown,
} from './row.ts';
import type { ImageDetail, RowSettings } from './types.ts';

type Json = Readonly<Record<string, unknown>>;
type Medium = 'image' | 'audio' | 'video';

/** Keys that make an object an input. */
const INPUT_KEYS = ['image', 'audio', 'video', 'path', 'text', 'textTokens'] as const;
type InputKey = (typeof INPUT_KEYS)[number];
/** Keys that may stand beside a size, in each medium. */
const FACTS: Readonly<Record<Medium, ReadonlySet<string>>> = {
  image: new Set(['path', 'url', 'width', 'height', 'detail']),
  audio: new Set(['path', 'url', 'seconds']),
  video: new Set(['path', 'url', 'seconds', 'width', 'height', 'fps']),
};

/** Reads `id`, `model`, `detail` and `maxTokens` of a line into its row. */
export function itemSettings(item: Json, row: OpenRow): Problem {
  const { id, model, detail, maxTokens } = item;
  if (typeof id === 'string' && id !== '') row.key = id;
  else if (typeof id === 'number') row.key = String(id);
  else if (id !== undefined && id !== null) return `id: ${shown(id)} is no name`;
  if (model === undefined && detail === undefined && maxTokens === undefined) return null;
  if (model !== undefined && typeof model !== 'string') return `model: ${shown(model)} is no name`;
  const level = detail ?? null;
  if (!isDetail(level)) return badDetail(detail, 'detail');
  if (maxTokens !== undefined && !isWhole(maxTokens, 0)) {
    return `maxTokens: ${shown(maxTokens)} is not a whole number of tokens`;
  }
  row.settings = {
    ...(model === undefined ? {} : { model }),
    ...(level === null ? {} : { detail: level }),
    ...(maxTokens === undefined ? {} : { outputTokens: maxTokens }),
  } satisfies RowSettings;
  return null;
}

/** Adds the inputs of one object: `{"image": "a.jpg", "text": "What is this?"}` are two. */
export function addItem(row: OpenRow, item: Json, where: string, times: number): Problem {
  const count = countOf(item['count'], times);
  if (typeof count === 'string') return `${at(where, 'count')}: ${count}`;
  let found = false;
  for (const key of INPUT_KEYS) {
    const value = item[key];
    if (value === undefined || value === null) continue;
    found = true;
    const problem = addInput(row, key, value, { where: at(where, key), count });
    if (problem !== null) return problem;
  }
  const inputs = item['inputs'];
  if (inputs !== undefined && where !== '') return `${where}: inputs do not nest`;
  if (inputs !== undefined) return addInputs(row, inputs, count);
  return found ? null : noInput(item, where);
}

function addInputs(row: OpenRow, inputs: unknown, count: number): Problem {
  if (!Array.isArray(inputs)) return `inputs: ${shown(inputs)} is no list`;
  if (inputs.length === 0) return 'inputs: an empty list';
  for (const [index, input] of (inputs as readonly unknown[]).entries()) {
    const where = `inputs[${index}]`;
    if (!isObject(input)) return `${where}: ${shown(input)} is no object`;
    const problem = addItem(row, input, where, count);
    if (problem !== null) return problem;
  }
  return null;
}

type Given = { readonly where: string; readonly count: number };

function addInput(row: OpenRow, key: InputKey, value: unknown, given: Given): Problem {
  const { where, count } = given;
  if (key === 'text') {
    if (typeof value !== 'string') return `${where}: ${shown(value)} is no text`;
    addText(row, where, value, count);
    return null;
  }
  if (key === 'textTokens') {
    if (!isWhole(value, 0)) return `${where}: ${shown(value)} is not a whole number of tokens`;
    const name = `${row.key}: ${value} text tokens`;
    describe(row, namedInput(name, 'text', { textTokens: value, count }));
    return null;
  }
  const modality = key === 'path' ? null : key;
  if (typeof value === 'string') {
    const detail = row.settings?.detail ?? null;
    return addSource(row, { from: value, modality, count, detail, where });
  }
  if (modality === null || !isObject(value)) return `${where}: ${shown(value)} is no path`;
  return addMedium(row, modality, value, given);
}

/** An object with a size, a path, or both: a size that is given is believed, and the file not opened. */
function addMedium(row: OpenRow, medium: Medium, value: Json, given: Given): Problem {
  const { where, count } = given;
  if (value['bytes'] instanceof Uint8Array) return addTableBytes(row, medium, value, given);
  for (const key in value) {
    if (!FACTS[medium].has(key)) {
      return `${where}.${key}: unknown; ${medium} has ${[...FACTS[medium]].join(', ')}`;
    }
  }
  if ('path' in value && 'url' in value) return `${where}: either a path or a url`;
  const from = 'path' in value ? value['path'] : value['url'];
  if (from !== undefined && !isSource(from)) return `${where}: ${shown(from)} is no path`;
  const detail = value['detail'] ?? row.settings?.detail ?? null;
  if (!isDetail(detail)) return badDetail(detail, `${where}.detail`);
  const sized = 'width' in value || 'height' in value || 'seconds' in value || 'fps' in value;
  if (from !== undefined && !sized) {
    return addSource(row, { from, modality: medium, count, detail, where });
  }
  const { width = null, height = null, seconds = null, fps = null } = value;
  if (medium !== 'audio' && !isWhole(width, 1))
    return `${where}.width: ${shown(width)} ${NO_PIXELS}`;
  if (medium !== 'audio' && !isWhole(height, 1)) {
    return `${where}.height: ${shown(height)} ${NO_PIXELS}`;
  }
  if (medium !== 'image' && !isLength(seconds)) {
    return `${where}.seconds: ${shown(seconds)} is not a length above zero`;
  }
  if (fps !== null && !isLength(fps)) return `${where}.fps: ${shown(fps)} is not a rate above zero`;
  const facts = { width, height, seconds, fps, detail, count } as Measured;
  describe(row, namedInput(sourceName(row, from) ?? `${row.key}: ${nameOf(facts)}`, medium, facts));
  return null;
}

function isSource(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

/** What a report calls an input of given size: its path or address, where that is one to be read. */
function sourceName(row: OpenRow, from: string | undefined): string | null {
  if (from === undefined || from.startsWith('data:')) return null;
  return from.includes('://') ? from : placed(row.folder, from);
}

/** What only a table can hold: `{bytes, path}`, as Hugging Face's data sets have their pictures. */
function addTableBytes(
  row: OpenRow,
  modality: Medium,
  { bytes, path }: Json,
  { where, count }: Given,
): Problem {
  const name = `${row.key}: ${typeof path === 'string' ? path : where}`;
  const detail = row.settings?.detail ?? null;
  const whole = { bytes: bytes as Uint8Array, whole: true, mediaType: null };
  row.parts.push({ kind: 'bytes', name, ...whole, modality, count, detail });
  return null;
}

type Measured = Pick<EstimateInput, 'width' | 'height' | 'seconds' | 'fps' | 'detail' | 'count'>;

function nameOf({ width, height, seconds, fps }: Measured): string {
  if (seconds === null) return `${width}x${height}`;
  if (width === null) return `${seconds}s`;
  return `${seconds}s@${width}x${height}${fps === null ? '' : `@${fps}`}`;
}

const NO_PIXELS = 'is not a whole number of pixels above zero';

function isLength(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

function isWhole(value: unknown, least: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least;
}

function countOf(value: unknown, times: number): number | string {
  if (value === undefined) return times;
  if (!isWhole(value, 1)) return `${shown(value)} is not a whole number above zero`;
  const count = value * times;
  return count > MAX_COUNT ? `${count} is more than ${MAX_COUNT}` : count;
}

export function isDetail(value: unknown): value is ImageDetail {
  return value === null || DETAILS.includes(value);
}

export function badDetail(value: unknown, where: string): string {
  return `${where}: ${shown(value)} is not one of ${DETAILS.join(', ')}`;
}

function noInput(item: Json, where: string): string {
  const keys = Object.keys(item);
  const has = keys.length === 0 ? 'an empty object' : `only ${keys.slice(0, 5).join(', ')}`;
  const place = where === '' ? '' : `${where}: `;
  return `${place}${has}: no input in it (${INPUT_KEYS.join(', ')}, inputs, messages)`;
}

function at(where: string, key: string): string {
  return where === '' ? key : `${where}.${key}`;
}
