import type { Estimate, EstimateItem, ModelEstimate } from '../contracts/estimate.ts';

const MODEL_HEAD = [
  ...['model', 'engine', 'tokens_total', 'tokens_low', 'tokens_high', 'tokens_text'],
  ...['tokens_image', 'tokens_audio', 'tokens_video', 'tokens_wrapper', 'uncounted', 'confidence'],
  ...['usd_input', 'usd_output', 'usd_total', 'price_as_of'],
];
const ITEM_HEAD = [
  ...['model', 'engine', 'input', 'modality', 'width', 'height', 'seconds', 'count'],
  ...['tokens_each', 'tokens', 'rule', 'detail'],
];

/**
 * The estimate as CSV (RFC 4180: CRLF, quotes doubled): a row for each model, or with `items` one for each
 * input and model. An unknown figure is an empty cell.
 */
export function estimateCsv({ models }: Estimate, items: boolean): string {
  const rows = items
    ? models.flatMap((model) => model.items.map((item) => itemRow(model, item)))
    : models.map(modelRow);
  return [items ? ITEM_HEAD : MODEL_HEAD, ...rows]
    .map((row) => `${row.map(cell).join(',')}\r\n`)
    .join('');
}

type Cell = string | number | null;

function modelRow(model: ModelEstimate): Cell[] {
  const { tokens, range, costUsd } = model;
  return [
    ...[model.id, model.engine, tokens.total, range?.low ?? null, range?.high ?? null],
    ...[tokens.text, tokens.image, tokens.audio, tokens.video, tokens.wrapper],
    ...[model.uncounted, model.confidence],
    ...[costUsd?.input ?? null, costUsd?.output ?? null, costUsd?.total ?? null, model.priceAsOf],
  ];
}

function itemRow({ id, engine }: ModelEstimate, item: EstimateItem): Cell[] {
  const { input, modality, width, height, seconds, count, tokens, rule, detail } = item;
  const all = tokens === null ? null : tokens * count;
  return [id, engine, input, modality, width, height, seconds, count, tokens, all, rule, detail];
}

/** A spreadsheet runs a text that begins like a formula: an apostrophe in front makes it text. */
function cell(value: Cell): string {
  if (value === null) return '';
  if (typeof value === 'number') return decimal(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Never `1e-6`. */
function decimal(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(6).replace(/\.?0+$/, '');
}
