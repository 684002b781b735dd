import type { ExactCheck, ExactDifference, ModelEstimate } from '../contracts/estimate.ts';
import type { Palette } from './palette.ts';
import { whole } from './money.ts';
import { textTable } from './text-table.ts';

type View = { readonly palette: Palette; readonly boxes: number | false };

const SHOWN = 20;

/** What the engine itself counted beside the rules, one section for each model that it was asked about. */
export function exactSections(models: readonly ModelEstimate[], view: View): string[] {
  return models.flatMap(({ id, exact }) => (exact === undefined ? [] : [section(id, exact, view)]));
}

function section(id: string, exact: ExactCheck, view: View): string {
  const { bold, good, bad } = view.palette;
  const by = exact.url ?? (exact.standIn ? 'llama.cpp with stand-in files' : 'llama.cpp');
  const verdict =
    exact.differences.length === 0
      ? good('the formula counts the same')
      : bad(`the formula differs for ${exact.differences.length} of ${exact.asked} shapes`);
  const lines = [
    `${bold(`Exact count of ${id}`)} by ${by}: ${whole(exact.tokens)} tokens for ${exact.asked} distinct shapes, formula ${whole(exact.formula)}; ${verdict}`,
    ...(exact.standIn
      ? ['  in the stand-in vocabulary every mark around an image or a clip is one token']
      : []),
    ...exact.unasked.map(
      ({ input, count, reason }) => `  not asked: ${input ?? whole(count)}, ${reason}`,
    ),
  ];
  if (exact.differences.length === 0) return lines.join('\n');
  return [...lines, table(exact.differences, view)].join('\n');
}

function table(differences: readonly ExactDifference[], view: View): string {
  return textTable(
    {
      head: ['Input', 'Count', 'Formula', 'Engine', 'Difference'],
      align: ['left', 'right', 'right', 'right', 'right'],
      rows: differences
        .slice(0, SHOWN)
        .map(({ input, count, formula, engine, difference }) => [
          input,
          whole(count),
          whole(formula),
          whole(engine),
          difference === null ? 'unknown' : `${difference > 0 ? '+' : ''}${difference}`,
        ]),
    },
    view.boxes,
  );
}
