import type { Estimate, EstimateItem, ModelEstimate } from '../contracts/estimate.ts';
import { exactSections } from './estimate-exact.ts';
import {
  adviceSection,
  baselineSection,
  budgetSection,
  comparisonSection,
  dated,
  priceLine,
  priceSection,
} from './estimate-money.ts';
import { billText, usd, whole } from './money.ts';
import { dedupeLines } from './estimate-dedupe.ts';
import type { Palette } from './palette.ts';
import { textTable } from './text-table.ts';

export type EstimateView = {
  readonly palette: Palette;
  /** Boxes around tables, on a terminal of so many columns; false in a pipe. */
  readonly boxes: number | false;
  readonly explain: boolean;
  readonly quiet: boolean;
  /** One row for each input instead of the costliest. */
  readonly items: boolean;
};

const SHOWN_UNREADABLE = 20;
const UNKNOWN = 'unknown';

/** The estimate as text: what was read, totals by model, the costliest inputs, what could not be read. */
export function estimateText(estimate: Estimate, view: EstimateView): string {
  if (view.quiet) return estimate.models.map(quietLine).join('\n');
  const sections = [
    inputLine(estimate.inputs, view.palette),
    modelTable(estimate.models, view),
    ...(estimate.comparison === undefined ? [] : [comparisonSection(estimate.comparison, view)]),
    ...(estimate.baseline === undefined ? [] : [baselineSection(estimate.baseline, view)]),
    ...budgetSection(estimate, view),
    ...(view.explain
      ? [estimate.models.map(explanation).join('\n')]
      : priceSection(estimate.models, view)),
    ...exactSections(estimate.models, view),
    ...estimate.models.flatMap((model) => itemTable(model, view)),
    ...duplicates(estimate, view),
    ...adviceSection(estimate.models, view),
    ...unreadableList(estimate.inputs.unreadable, view.palette),
  ];
  return sections.join('\n\n');
}

function duplicates(estimate: Estimate, { palette }: EstimateView): string[] {
  const lines = dedupeLines(estimate);
  return lines.length === 0
    ? []
    : [[palette.bold('Duplicates'), ...lines.map((line) => `  ${line}`)].join('\n')];
}

function quietLine(model: ModelEstimate): string {
  const cost = model.costUsd === null ? '' : ` ${billText(model)}`;
  return `${model.id} ${model.engine} ${model.tokens.total ?? UNKNOWN}${cost}`;
}

function inputLine(inputs: Estimate['inputs'], { bold, bad }: Palette): string {
  const parts = [
    counted(inputs.images, 'image'),
    ...(inputs.audios > 0
      ? [`${counted(inputs.audios, 'sound')} of ${whole(inputs.audioSeconds)} s`]
      : []),
    ...(inputs.videos > 0
      ? [`${counted(inputs.videos, 'video')} of ${whole(inputs.videoSeconds)} s`]
      : []),
    ...(inputs.textBytes > 0 ? [`${whole(inputs.textBytes)} bytes of text`] : []),
  ];
  const from = inputs.files === 0 ? '' : `; ${counted(inputs.files, 'file')} read`;
  const missing = inputs.unreadable.length;
  const unread = missing === 0 ? '' : `, ${bad(`${whole(missing)} unreadable`)}`;
  return `${bold('Inputs')}  ${parts.join(', ')}${from}${unread}`;
}

/** A table, or where the terminal is too narrow for one, a short list for each model. */
function modelTable(models: readonly ModelEstimate[], view: EstimateView): string {
  const priced = models.some(({ costUsd }) => costUsd !== null);
  const media = (['audio', 'video'] as const).filter((modality) =>
    models.some(({ tokens }) => (tokens[modality] ?? 0) > 0),
  );
  const table = textTable(
    {
      head: [
        ...['Model', 'Engine', 'Tokens', 'Images'],
        ...media.map((modality) => (modality === 'audio' ? 'Audio' : 'Video')),
        ...['Text', 'Wrappers', ...(priced ? ['USD'] : [])],
      ],
      align: ['left', 'left', ...Array.from({ length: 7 }, () => 'right' as const)],
      rows: models.map((model) => [
        model.id,
        model.engine,
        total(model),
        whole(model.tokens.image),
        ...media.map((modality) => whole(model.tokens[modality])),
        whole(model.tokens.text),
        whole(model.tokens.wrapper),
        ...(priced ? [billText(model)] : []),
      ]),
    },
    view.boxes,
  );
  const narrow = view.boxes !== false && table.indexOf('\n') > view.boxes;
  return narrow ? models.map((model) => modelLines(model, view.palette)).join('\n') : table;
}

function modelLines(model: ModelEstimate, { bold }: Palette): string {
  const { id, engine, tokens, costUsd } = model;
  const parts = (['image', 'audio', 'video', 'text', 'wrapper'] as const).flatMap((kind) =>
    (tokens[kind] ?? 0) > 0 ? [`${kind} ${whole(tokens[kind])}`] : [],
  );
  return [
    `${bold(id)} on ${engine}`,
    `  ${total(model)} tokens${costUsd === null ? '' : `, ${billText(model)}`}`,
    ...(parts.length > 1 ? [`  ${parts.join(', ')}`] : []),
  ].join('\n');
}

/** A total that rests on an approximation is never shown as if it were exact. */
function total({ tokens, range }: ModelEstimate): string {
  if (range === null || range.low === range.high) return whole(tokens.total);
  return `about ${whole(tokens.total)} (${whole(range.low)} to ${whole(range.high)})`;
}

function explanation(model: ModelEstimate): string {
  const source = model.ruleSource === null ? '' : ` (${model.ruleSource})`;
  const cost =
    model.costUsd === null
      ? ''
      : `; input ${usd(model.costUsd.input)}, output ${usd(model.costUsd.output)}`;
  const price =
    model.price === null
      ? ''
      : `\n  a million tokens: ${priceLine(model.price)}${dated(model.priceAsOf, model.priceAgeDays)}; ${model.price.source}`;
  return `${model.id} on ${model.engine}: rule ${model.rule}${source}, ${model.confidence}, basis ${model.basis}${cost}${price}`;
}

function itemTable(model: ModelEstimate, view: EstimateView): string[] {
  const all = view.items;
  const items = all ? model.items : model.costliest;
  if (items.length < 2 && !view.explain && !all) return [];
  const title = all ? `Inputs of ${model.id}` : `Costliest inputs of ${model.id}`;
  const table = textTable(
    {
      head: ['Input', 'Size', 'Count', 'Tokens each', ...(view.explain || all ? ['How'] : [])],
      align: ['left', 'left', 'right', 'right', 'left'],
      rows: items.map((item) => [
        item.input,
        sizeOf(item),
        whole(item.count),
        item.tokens === null ? 'none' : whole(item.tokens),
        ...(view.explain || all ? [item.detail] : []),
      ]),
    },
    view.boxes,
  );
  return [`${view.palette.bold(title)} on ${model.engine}\n${table}`];
}

function sizeOf({ width, height, modality }: EstimateItem): string {
  return width === null || height === null ? modality : `${width}x${height}`;
}

function unreadableList(unreadable: Estimate['inputs']['unreadable'], { bold }: Palette): string[] {
  if (unreadable.length === 0) return [];
  const shown = unreadable
    .slice(0, SHOWN_UNREADABLE)
    .map((each) => `  ${each.path}: ${each.reason}`);
  const rest = unreadable.length - shown.length;
  const more = rest > 0 ? [`  and ${whole(rest)} more; all of them in \`-o json\``] : [];
  return [[`${bold('Unreadable')} (${unreadable.length})`, ...shown, ...more].join('\n')];
}

function counted(count: number, noun: string): string {
  return `${whole(count)} ${noun}${count === 1 ? '' : 's'}`;
}
