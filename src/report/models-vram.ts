import type { ModelsVram } from '../contracts/models.ts';
import { gib } from '../plan/wording.ts';
import { textTable } from './text-table.ts';

type Row = ModelsVram['models'][number];

const HEAD = [
  ...['model', 'parameters', 'F16', 'Q8_0', 'Q4_K_M', 'encoder'],
  ...['smallest GPU', 'cheapest GPU', 'USD/h'],
];
const RIGHT = new Set(['parameters', 'F16', 'Q8_0', 'Q4_K_M', 'encoder', 'USD/h']);

/** The table of the field: sizes of each model, and the cards that hold it in Q4_K_M. */
export function modelsVramText(table: ModelsVram, boxes: number | false): string {
  return textTable(
    {
      head: HEAD,
      align: HEAD.map((name) => (RIGHT.has(name) ? 'right' : 'left')),
      rows: table.models.map((row) => [row.id, ...cells(row)]),
    },
    boxes,
  );
}

/** The same as a page of documentation; `npm run docs:models` writes it. */
export function modelsVramPage(table: ModelsVram, pricesOf: string): string {
  const { contextPerSlot, slots } = table.workload;
  const line = (values: readonly string[]) => `| ${values.join(' | ')} |`;
  const marks = HEAD.map((name) => (RIGHT.has(name) ? '---:' : ':---'));
  return [
    '# Models and the memory they need',
    '',
    'Made by `npm run docs:models` from the profiles; `mmdeploy models --vram` prints it for yours.',
    '',
    'Sizes are those of the files: the weights of the language model in each format, and the encoder with its',
    'projector in F16. A deployment needs more (KV cache, compute buffers, the runtime):',
    '`mmdeploy plan MODEL` says how much, to the megabyte.',
    '',
    `The GPUs hold the model in Q4_K_M (BF16 where only vLLM runs it) with ${contextPerSlot} tokens of context,`,
    `${slots} slot and room to spare. The smallest have the least memory; the cheapest cost least to rent, at the`,
    `prices of \`profiles/gpu-prices.yaml\` (${pricesOf}; each has its own date there). Dimensions marked`,
    '`doubtful` are believed, not confirmed.',
    '',
    line(HEAD),
    line(marks),
    ...table.models.map((row) =>
      line([row.confidence === 'doubtful' ? `${row.id} (doubtful)` : row.id, ...cells(row)]),
    ),
    '',
  ].join('\n');
}

function cells({ parameters, weights, encoderBytes, recommended }: Row): string[] {
  if (parameters === null) return ['-', '-', '-', '-', '-', 'at its vendor', '-', '-'];
  const size = (bytes: number | null) => (bytes === null ? '-' : gib(bytes));
  return [
    `${billions(parameters.text + parameters.encoder)} B`,
    ...[size(weights.F16), size(weights.Q8_0), size(weights.Q4_K_M), size(encoderBytes)],
    recommended?.smallest?.gpu ?? 'more than 8 cards',
    recommended?.cheapest?.gpu ?? '-',
    recommended?.cheapest?.usdPerHour?.toFixed(2) ?? '-',
  ];
}

function billions(parameters: number): string {
  return (parameters / 1e9).toFixed(parameters < 1e10 ? 2 : 1);
}
