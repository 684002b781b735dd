import { messageOf } from '../../errors.ts';
import { addItem, itemSettings } from './item.ts';
import type { Line } from './lines.ts';
import { addRequest, isRequest } from './request.ts';
import type { OpenRow, Problem } from './row.ts';
import { badRow, closeRow, isObject, openRow, shown } from './row.ts';
import type { ManifestRow } from './types.ts';

const MAX_REASON_CHARS = 120;

/** One line of JSON: an item of our own, or a request as it is sent to a batch API. */
export function jsonlRow({ number, text, problem }: Line, folder: string): ManifestRow {
  if (problem !== null) return badRow(number, problem);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return badRow(number, `not JSON: ${messageOf(error).slice(0, MAX_REASON_CHARS)}`);
  }
  const row = openRow(number, folder);
  return closeRow(row, addValue(row, value));
}

function addValue(row: OpenRow, value: unknown): Problem {
  if (!isObject(value)) return `${shown(value)} is no object`;
  if (isRequest(value)) return addRequest(row, value);
  return itemSettings(value, row) ?? addItem(row, value, '', 1);
}
