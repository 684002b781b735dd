import { isAbsolute, join } from 'node:path';
import type { Modality } from '../../contracts/basis.ts';
import type { EstimateInput } from '../../contracts/estimate.ts';
import { namedInput } from '../describe-input.ts';
import { dataUri } from './data-uri.ts';
import type {
  ImageDetail,
  ManifestMessage,
  ManifestPart,
  ManifestRow,
  RowSettings,
} from './types.ts';

/** A row while it is read. The parsers below add to it and return what is wrong, or null. */
export type OpenRow = {
  readonly line: number;
  key: string;
  /** The manifest's own folder, which relative paths start from. */
  readonly folder: string;
  readonly parts: ManifestPart[];
  messages: ManifestMessage[] | null;
  settings: RowSettings | undefined;
};

export type Problem = string | null;

export const DETAILS: readonly unknown[] = ['low', 'high', 'original', 'auto'];
export const MAX_COUNT = 1_000_000_000;

export function openRow(line: number, folder: string, unit = 'line'): OpenRow {
  return { line, key: `${unit} ${line}`, folder, parts: [], messages: null, settings: undefined };
}

/** With a problem nothing of the row is counted: half a line would be half a truth. */
export function closeRow(row: OpenRow, problem: Problem, unit = 'line'): ManifestRow {
  const { line, key, settings } = row;
  if (problem !== null) {
    return { line, key, parts: [], messages: null, problem: `${unit} ${line}: ${problem}` };
  }
  const { parts, messages } = row;
  if (settings === undefined) return { line, key, parts, messages, problem: null };
  return { line, key, parts, messages, settings, problem: null };
}

export function badRow(line: number, problem: string, unit = 'line'): ManifestRow {
  return closeRow(openRow(line, ''), problem, unit);
}

type Source = {
  /** A data URI, an http address or a path. */
  readonly from: string;
  readonly modality: Modality | 'document' | null;
  readonly count: number;
  readonly detail: ImageDetail;
  /** Where in the line it stands, for bytes, which have no name of their own. */
  readonly where: string;
};

/** Adds what a string names: the bytes of a data URI, an address, or a path from the manifest's folder. */
export function addSource(row: OpenRow, source: Source): Problem {
  const { from, modality, count, detail, where } = source;
  const name = `${row.key}: ${where}`;
  if (from.startsWith('data:')) {
    const data = dataUri(from);
    if (typeof data === 'string') return `${where}: ${data}`;
    row.parts.push({ kind: 'bytes', name, ...data, modality, count, detail });
    return null;
  }
  const scheme = /^([a-z][a-z\d+.-]+):\/\//i.exec(from.slice(0, 64))?.[1]?.toLowerCase();
  if (scheme === 'http' || scheme === 'https') {
    row.parts.push({ kind: 'url', url: from, modality, count, detail });
  } else if (scheme !== undefined && scheme !== 'file') {
    unreadable(row, from, `${scheme} addresses are not read: fetch it and give its path`);
  } else {
    const path = scheme === 'file' ? fileUrlPath(from) : from;
    if (path === null || path.trim() === '') return `${where}: ${shown(from)} is no path`;
    row.parts.push({ kind: 'file', path: placed(row.folder, path), modality, count, detail });
  }
  return null;
}

/** Relative paths start from the manifest's folder, and are shown as seen from the working folder. */
export function placed(folder: string, path: string): string {
  return folder === '' || folder === '.' || isAbsolute(path) ? path : join(folder, path);
}

function fileUrlPath(url: string): string | null {
  try {
    const { hostname, pathname } = new URL(url);
    return hostname === '' || hostname === 'localhost'
      ? decodeURIComponent(pathname).replace(DRIVE, '$1')
      : null;
  } catch {
    return null;
  }
}

/** `file:///C:/a.png`: the slash before a drive is none of the path. */
const DRIVE = /^\/([a-z]:)/i;

export function addText(row: OpenRow, where: string, text: string, count = 1): void {
  describe(row, namedInput(`${row.key}: ${where}`, 'text', { text, count }));
}

/** Adds the JSON of tools or of an answer's schema. */
export function addDefinition(row: OpenRow, where: string, value: unknown): void {
  const text = JSON.stringify(value);
  const input = namedInput(`${row.key}: ${where}`, 'text', { text, count: 1 });
  describe(row, { ...input, definition: true });
}

export function describe(row: OpenRow, input: EstimateInput): void {
  row.parts.push({ kind: 'described', input });
}

/** Stated well but not to be had here: listed, while the rest of the row counts. */
export function unreadable(row: OpenRow, what: string, reason: string): void {
  row.parts.push({ kind: 'unreadable', entry: { path: `${row.key}: ${shorten(what)}`, reason } });
}

/** A value of the manifest as a message shows it. */
export function shown(value: unknown): string {
  return value === undefined ? 'nothing' : shorten(JSON.stringify(value));
}

const MOST_SHOWN = 60;

function shorten(text: string): string {
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
