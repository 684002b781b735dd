import { basename } from 'node:path';
import type { Drift, DriftFigures, MadeFile, QuantizeResult } from '../contracts/quantize.ts';
import { shellWord } from '../gguf/faults.ts';
import { counted, gib } from '../plan/wording.ts';
import type { View } from './palette.ts';
import { textTable } from './text-table.ts';

const ROLE_WORDS = { encoder: 'Projector', weights: 'Weights' } as const;
const MOST_NAMED = 4;

/** What was made, that it loads, and how far it is from its source. */
export function quantizeText(result: QuantizeResult, view: View): string {
  if (view.quiet) return result.files.map(({ output }) => output.path).join('\n');
  const { loaded, engine, drift } = result;
  const names = [loaded.model, ...(loaded.mmproj === null ? [] : [loaded.mmproj])].map((path) =>
    basename(path),
  );
  const version = `llama-server ${engine.version ?? '?'} (build ${engine.build ?? '?'})`;
  return [
    ...result.files.flatMap((file) => fileLines(file, view)),
    field('Loaded', `${names.join(' with ')}, by ${version}`, view),
    ...(drift === null ? [] : ['', ...driftLines(drift, view)]),
    '',
    field('Next', `\`${nextCommand(loaded)}\``, view),
  ].join('\n');
}

function fileLines({ role, source, output, tensors }: MadeFile, view: View): string[] {
  const share = Math.round((100 * output.bytes) / source.bytes);
  const sizes = `${source.format} ${gib(source.bytes)} to ${output.format} ${gib(output.bytes)} (${share} %)`;
  const converted = `${tensors.converted} of ${counted(tensors.total, 'tensor')} converted`;
  return [
    field(ROLE_WORDS[role], `${sizes}   ${output.path}`, view),
    field(
      '',
      [converted, ...keptWords(tensors), ...otherWords(tensors, output.format)].join('; '),
      view,
    ),
  ];
}

function keptWords({ kept }: MadeFile['tensors']): string[] {
  if (kept.length === 0) return [];
  const named = kept.slice(0, MOST_NAMED).map(({ name, type }) => `${name} (${type})`);
  const more = kept.length > MOST_NAMED ? ` and ${kept.length - MOST_NAMED} more` : '';
  return [`as they were: ${named.join(', ')}${more}`];
}

function otherWords({ others, types }: MadeFile['tensors'], format: string): string[] {
  if (others === 0) return [];
  return [
    `${others} in another type than ${format} has most: ${types.map(({ type }) => type).join(', ')}`,
  ];
}

function driftLines({ method, topTokens, comparisons }: Drift, view: View): string[] {
  const several = comparisons.length > 1;
  const rows = comparisons.flatMap(({ changed, inputs, ...total }) => {
    const what = several ? `${changed.join(' and ')}: ` : '';
    const each = inputs.map((input) => figures(`${what}${input.input}`, input));
    return inputs.length > 1 ? [...each, figures(`${what}all`, total)] : each;
  });
  const bound = comparisons.some((each) => each.bound);
  const seen = bound
    ? `Bounds: only the ${topTokens} most probable tokens of each distribution are seen. KL is at least what is shown.`
    : 'Exact: every token of the vocabulary is seen.';
  return [
    textTable(
      {
        head: ['drift', 'same top token', 'KL mean', 'KL max', 'total variation, most'],
        align: ['left', 'right', 'right', 'right', 'right'],
        rows,
      },
      view.boxes,
    ),
    view.palette.dim(seen),
    ...(view.explain ? [view.palette.dim(method)] : []),
  ];
}

function figures(label: string, found: DriftFigures): string[] {
  const { positions, sameTop, klDivergence, totalVariation, bound } = found;
  const kl = (value: number) => (bound && value >= 1e-6 ? `>= ${small(value)}` : small(value));
  const { low, high } = totalVariation;
  const range = small(low) === small(high) ? small(low) : `${small(low)} to ${small(high)}`;
  return [label, `${sameTop} of ${positions}`, kl(klDivergence.mean), kl(klDivergence.max), range];
}

/** Two digits that count. The engine's logarithms are single floats: what is below is their rounding. */
function small(value: number): string {
  if (value < 1e-6) return value === 0 ? '0' : '<1e-6';
  return value < 1e-3 ? value.toExponential(1) : value.toPrecision(2);
}

function nextCommand({ model, mmproj }: QuantizeResult['loaded']): string {
  const projector = mmproj === null ? '' : ` --mmproj ${shellWord(mmproj)}`;
  return `mmdeploy plan ${shellWord(model)}${projector}`;
}

function field(label: string, text: string, { palette }: View): string {
  return `${palette.bold(label.padEnd(9))} ${text}`;
}
