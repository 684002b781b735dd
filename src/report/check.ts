import type { CheckedFile, CheckReport } from '../contracts/check.ts';
import { readBy } from './deployment.ts';
import type { View } from './palette.ts';

/** Lines of a file that are shown; the rest is counted. */
const MOST_SHOWN = 12;

/** A line for each file, and below it what differs and what its reader says. */
export function checkText(report: CheckReport, view: View): string {
  const { palette } = view;
  const colour = {
    unchanged: palette.good,
    changed: palette.warn,
    outdated: palette.warn,
    missing: palette.bad,
  };
  const lines = report.files.flatMap((file) => [
    `${colour[file.state](file.state.padEnd(9))}  ${file.path}  ${palette.dim(readers(file))}`,
    ...file.findings.map((finding) => `           ${palette.bad(finding)}`),
    ...shown(file.differences).map((line) => `           ${line}`),
  ]);
  return [...lines, ...(view.quiet ? [] : ['', conclusion(report)])].join('\n');
}

function readers(file: CheckedFile): string {
  return file.findings.length > 0 ? 'not valid' : readBy(file);
}

function shown(lines: readonly string[]): readonly string[] {
  if (lines.length <= MOST_SHOWN) return lines;
  return [...lines.slice(0, MOST_SHOWN), `… ${lines.length - MOST_SHOWN} more lines`];
}

function conclusion({ drifted, planUnchanged, madeBy, checkedBy }: CheckReport): string {
  const plan = planUnchanged ? '' : 'plan.json is not the plan that the files were made from; ';
  const by = madeBy === checkedBy ? '' : `; made by ${madeBy}, checked by ${checkedBy}`;
  return `${plan}${drifted ? 'not as the plan gives it' : 'as the plan gives it'}${by}`;
}
