import type { Estimate, ModelEstimate } from '../contracts/estimate.ts';
import { dedupeLines } from './estimate-dedupe.ts';
import type { BaselineComparison } from '../contracts/estimate-checks.ts';
import { growthText, money, times } from './estimate-money.ts';
import { billText, usd, whole } from './money.ts';

/** The estimate as a comment on a pull request: GitHub and GitLab draw the tables. */
export function estimateMarkdown(estimate: Estimate): string {
  const { inputs, models, baseline, comparison, budgets = [] } = estimate;
  const over = budgets.filter(({ exceeded }) => exceeded);
  return [
    '### Tokens and cost of the inputs',
    inputLine(inputs),
    modelTable(models),
    ...(comparison === undefined ? [] : [comparisonTable(comparison)]),
    ...(baseline === undefined ? [] : [baselineTable(baseline)]),
    ...listOf(dedupeLines(estimate).map(cell)),
    ...(budgets.length === 0
      ? []
      : [
          over.length === 0
            ? `Within all ${budgets.length} budgets.`
            : over
                .map(
                  ({ flag, id, engine, limit, actual }) =>
                    `**Over budget:** ${cell(id)} on ${engine} takes ${flag === '--max-usd' ? money(actual) : whole(actual)}, \`${flag}\` allows ${flag === '--max-usd' ? usd(limit) : whole(limit)}.`,
                )
                .join('\n\n'),
        ]),
    ...adviceList(models),
    ...models.flatMap(costliest),
    ...unreadable(inputs),
    ...priceNotes(models),
  ].join('\n\n');
}

function inputLine(inputs: Estimate['inputs']): string {
  const parts = [
    `${whole(inputs.images)} images`,
    ...(inputs.audios > 0
      ? [`${whole(inputs.audios)} sounds of ${whole(inputs.audioSeconds)} s`]
      : []),
    ...(inputs.videos > 0
      ? [`${whole(inputs.videos)} videos of ${whole(inputs.videoSeconds)} s`]
      : []),
    ...(inputs.documents > 0 ? [`${whole(inputs.documents)} documents`] : []),
    ...(inputs.textBytes > 0 ? [`${whole(inputs.textBytes)} bytes of text`] : []),
  ];
  return `${parts.join(', ')}; ${whole(inputs.files)} files read.`;
}

function modelTable(models: readonly ModelEstimate[]): string {
  return table(
    ['Model', 'Engine', 'Tokens', 'Text', 'Images', 'Audio', 'Video', 'Wrappers', 'USD'],
    models.map((model) => [
      ...[model.id, model.engine, total(model)],
      ...[whole(model.tokens.text), whole(model.tokens.image), whole(model.tokens.audio)],
      ...[whole(model.tokens.video), whole(model.tokens.wrapper), billText(model)],
    ]),
    2,
  );
}

function total({ tokens, range }: ModelEstimate): string {
  if (range === null || range.low === range.high) return whole(tokens.total);
  return `about ${whole(tokens.total)} (${whole(range.low)} to ${whole(range.high)})`;
}

function comparisonTable(rows: NonNullable<Estimate['comparison']>): string {
  return table(
    ['Cheapest first', 'Engine', 'Tokens', 'x fewest', 'USD', 'x cheapest'],
    rows.map((row) => [
      row.uncounted > 0 ? `${row.id} (only some inputs)` : row.id,
      ...[row.engine, whole(row.tokens), times(row.tokensRatio)],
      ...[row.usd === null ? '-' : usd(row.usd), times(row.usdRatio)],
    ]),
    2,
  );
}

function baselineTable({ file, maxGrowthPercent, rows }: BaselineComparison): string {
  const allowed = maxGrowthPercent === null ? '' : ` (allowed +${maxGrowthPercent} %)`;
  const drawn = table(
    ['Model', 'Engine', 'Tokens before', 'now', 'change', 'USD before', 'now', 'change'],
    rows.map(({ id, engine, tokens, usd: bill }) => [
      ...(id === 'total' ? ['all', ''] : [id, engine]),
      ...[whole(tokens.before), whole(tokens.after), growthText(tokens)],
      ...(bill === null
        ? ['-', '-', '']
        : [money(bill.before), money(bill.after), growthText(bill)]),
    ]),
    2,
  );
  return `#### Against \`${file.replaceAll('`', "'")}\`${allowed}\n\n${drawn}`;
}

function adviceList(models: readonly ModelEstimate[]): string[] {
  const lines = models.flatMap(({ id, engine, advice }) =>
    advice.map(({ text, inputs, savedTokens, savedUsd }) => {
      const saves = savedUsd === null ? '' : `, ${usd(savedUsd)}`;
      return `- ${cell(id)} on ${engine}: ${text}; saves ${whole(savedTokens)} tokens${saves} over ${whole(inputs)} inputs`;
    }),
  );
  return lines.length === 0 ? [] : [['#### To save', '', ...lines].join('\n')];
}

function costliest({ id, engine, costliest: items }: ModelEstimate): string[] {
  if (items.length < 2) return [];
  const drawn = table(
    ['Input', 'Size', 'Count', 'Tokens each'],
    items.map(({ input, modality, width, height, count, tokens }) => [
      input,
      width === null || height === null ? modality : `${width}x${height}`,
      ...[whole(count), whole(tokens)],
    ]),
    2,
  );
  return [
    `<details><summary>Costliest inputs of ${cell(id)} on ${engine}</summary>\n\n${drawn}\n\n</details>`,
  ];
}

const SHOWN_UNREADABLE = 20;

function unreadable({ unreadable: all }: Estimate['inputs']): string[] {
  if (all.length === 0) return [];
  const lines = all
    .slice(0, SHOWN_UNREADABLE)
    .map((one) => `- ${cell(one.path)}: ${cell(one.reason)}`);
  return [[`#### Not read`, '', ...lines].join('\n')];
}

function priceNotes(models: readonly ModelEstimate[]): string[] {
  const notes = models.flatMap(({ id, price, priceAsOf, priceAgeDays }) =>
    price === null || priceAsOf === null
      ? []
      : [`${cell(id)} of ${priceAsOf} (${priceAgeDays ?? 0} days ago)`],
  );
  return notes.length === 0 ? [] : [`<sub>Prices: ${notes.join(', ')}.</sub>`];
}

/** Columns from `numbers` on are aligned right. */
function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numbers: number,
): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  const rule = head.map((_, column) => (column < numbers ? '---' : '--:'));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** A file may be called anything: what Markdown or HTML would take for markup is taken from it. */
function cell(text: string): string {
  return text
    .replace(/[\r\n]+/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\\`*_[\]|@#~]/g, (sign) => `\\${sign}`);
}

function listOf(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [lines.map((line) => `- ${line}`).join('\n')];
}
