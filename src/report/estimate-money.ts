import type { Estimate, ModelEstimate, PriceUsed } from '../contracts/estimate.ts';
import type {
  BaselineComparison,
  BaselineRow,
  ComparisonRow,
  Growth,
} from '../contracts/estimate-checks.ts';
import { usd, whole } from './money.ts';
import type { Palette } from './palette.ts';
import { textTable } from './text-table.ts';

type TableView = { readonly palette: Palette; readonly boxes: number | false };

/** `--compare`: the models side by side, cheapest first. */
export function comparisonSection(rows: readonly ComparisonRow[], view: TableView): string {
  const priced = rows.some(({ usd: bill }) => bill !== null);
  const table = textTable(
    {
      head: ['Model', 'Engine', 'Tokens', 'x fewest', ...(priced ? ['USD', 'x cheapest'] : [])],
      align: ['left', 'left', 'right', 'right', 'right', 'right'],
      rows: rows.map((row) => [
        row.uncounted > 0 ? `${row.id} (part)` : row.id,
        row.engine,
        whole(row.tokens),
        times(row.tokensRatio),
        ...(priced ? [row.usd === null ? '-' : usd(row.usd), times(row.usdRatio)] : []),
      ]),
    },
    view.boxes,
  );
  const partly = rows.some(({ uncounted }) => uncounted > 0)
    ? '\n(part): takes only some of the inputs, so it is not compared'
    : '';
  const shown = tooWide(table, view) ? rows.map(comparisonLine).join('\n') : table;
  return `${view.palette.bold('Side by side')}, cheapest first\n${shown}${partly}`;
}

/** For a terminal that is too narrow for the table. */
function comparisonLine(row: ComparisonRow): string {
  const name = `${row.uncounted > 0 ? `${row.id} (part)` : row.id} on ${row.engine}`;
  const bill = row.usd === null ? '' : `\n    ${usd(row.usd)} (${times(row.usdRatio)} x cheapest)`;
  return `  ${name}\n    ${whole(row.tokens)} tokens (${times(row.tokensRatio)} x fewest)${bill}`;
}

function tooWide(table: string, { boxes }: TableView): boolean {
  return boxes !== false && Math.max(...table.split('\n').map((line) => line.length)) > boxes;
}

/** Breaks a line at blanks, further ones indented alike; unbroken where there is no terminal. */
function wrapped(line: string, indent: string, { boxes }: TableView): string {
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(' ')) {
    const longer = current === '' ? word : `${current} ${word}`;
    if (boxes !== false && current !== '' && indent.length + longer.length > boxes) {
      lines.push(current);
      current = `  ${word}`;
    } else current = longer;
  }
  return [...lines, current].map((each) => `${indent}${each}`).join('\n');
}

export function times(ratio: number | null): string {
  return ratio === null ? '-' : ratio.toFixed(2);
}

/** `--baseline`: what grew and what shrank. */
export function baselineSection(baseline: BaselineComparison, view: TableView): string {
  const { bold } = view.palette;
  const allowed =
    baseline.maxGrowthPercent === null ? '' : `, allowed +${baseline.maxGrowthPercent} %`;
  const billed = baseline.rows.some(({ usd: bill }) => bill !== null);
  const table = textTable(
    {
      head: [
        'Model',
        'Engine',
        'Tokens before',
        'now',
        '',
        ...(billed ? ['USD before', 'now', ''] : []),
      ],
      align: ['left', 'left', ...Array.from({ length: 6 }, () => 'right' as const)],
      rows: baseline.rows.map(({ id, engine, tokens, usd: bill }) => [
        id === 'total' ? 'all' : id,
        id === 'total' ? '' : engine,
        ...[whole(tokens.before), whole(tokens.after), growthText(tokens)],
        ...(billed ? billCells(bill) : []),
      ]),
    },
    view.boxes,
  );
  const shown = tooWide(table, view) ? baseline.rows.map(baselineLines).join('\n') : table;
  return `${bold('Against')} ${baseline.file}${allowed}\n${shown}`;
}

function baselineLines({ id, engine, tokens, usd: bill }: BaselineRow): string {
  return [
    id === 'total' ? '  all' : `  ${id} on ${engine}`,
    `    ${whole(tokens.before)} -> ${whole(tokens.after)} tokens  ${growthText(tokens)}`.trimEnd(),
    ...(bill === null
      ? []
      : [`    ${money(bill.before)} -> ${money(bill.after)}  ${growthText(bill)}`.trimEnd()]),
  ].join('\n');
}

function billCells(bill: Growth | null): string[] {
  if (bill === null) return ['-', '-', ''];
  return [money(bill.before), money(bill.after), growthText(bill)];
}

export function money(value: number | null): string {
  return value === null ? 'unknown' : usd(value);
}

/** `+12.5 %`, with a word where it is more than allowed: colour alone would not say it. */
export function growthText({ before, after, growthPercent, exceeded }: Growth): string {
  const mark = exceeded ? ' over' : '';
  if (growthPercent === null) return before === after ? '' : `new${mark}`;
  return `${growthPercent > 0 ? '+' : ''}${growthPercent} %${mark}`;
}

/** What would save tokens, model by model. */
export function adviceSection(models: readonly ModelEstimate[], view: TableView): string[] {
  const told = models.filter(({ advice }) => advice.length > 0);
  if (told.length === 0) return [];
  const lines = told.flatMap(({ id, engine, advice }) => [
    `  ${id} on ${engine}`,
    ...advice.flatMap(({ text, inputs, savedTokens, savedUsd }) => {
      const saves = savedUsd === null ? '' : `, ${usd(savedUsd)}`;
      const over = `${whole(inputs)} ${inputs === 1 ? 'input' : 'inputs'}`;
      return [
        wrapped(text, '    ', view),
        wrapped(`saves ${whole(savedTokens)} tokens${saves} over ${over}`, '      ', view),
      ];
    }),
  ]);
  return [[`${view.palette.bold('To save')} (each by itself, counted again)`, ...lines].join('\n')];
}

/** Which limits were given, and whether they hold. */
export function budgetSection({ budgets = [] }: Estimate, { palette }: TableView): string[] {
  if (budgets.length === 0) return [];
  const lines = budgets.map(({ flag, id, engine, limit, actual, exceeded }) => {
    const shown = flag === '--max-tokens' ? whole : money;
    const verdict = exceeded ? palette.bad('over') : palette.good('within');
    return (
      `  ${id} on ${engine}: ${shown(actual)} of ${shown(limit)} ${flag === '--max-tokens' ? 'tokens' : ''}`.trimEnd() +
      `, ${verdict}`
    );
  });
  return [[palette.bold('Budgets'), ...lines].join('\n')];
}

/** Day, age and terms of each price. */
export function priceSection(models: readonly ModelEstimate[], view: TableView): string[] {
  const lines = models.flatMap(({ id, price, priceAsOf, priceAgeDays }) =>
    price === null
      ? []
      : [wrapped(`${id}: ${priceLine(price)}${dated(priceAsOf, priceAgeDays)}`, '  ', view)],
  );
  return lines.length === 0
    ? []
    : [[`${view.palette.bold('Prices')} (a million tokens)`, ...lines].join('\n')];
}

/** Day and age of a price. */
export function dated(asOf: string | null, age: number | null): string {
  if (asOf === null) return '';
  return `; of ${asOf}${age === null ? '' : `, ${age} ${age === 1 ? 'day' : 'days'} ago`}`;
}

/** What a million tokens cost, on the terms that were applied. */
export function priceLine(price: PriceUsed): string {
  const { input, output, cachedInput, imageInput, audioInput, videoInput, batchDiscount } = price;
  const own = (value: number | null, of: string) => (value === null ? [] : [`$${value} ${of}`]);
  const off = batchDiscount === null ? '' : `${Math.round(batchDiscount * 100)} %`;
  return [
    `$${input} in`,
    ...(price.cached === null ? [] : own(cachedInput, `for ${cachedShare(price.cached)} cached`)),
    ...[...own(imageInput, 'pictures'), ...own(audioInput, 'sound'), ...own(videoInput, 'film')],
    `$${output} out`,
    ...(price.batch ? [`${off} off in a batch`] : []),
    ...(price.provider === null ? [] : [`at ${price.provider}`]),
    ...(price.formula === null ? [] : [price.formula]),
    ...(price.basis === 'given' ? ['as given'] : []),
  ].join(', ');
}

function cachedShare({ tokens, percent }: NonNullable<PriceUsed['cached']>): string {
  return percent === null ? `${whole(tokens)} tokens` : `${percent} %`;
}
