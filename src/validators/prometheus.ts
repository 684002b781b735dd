import { complaint, linesOf, runTool, skippedWithout } from './context.ts';
import type { ValidatorContext } from './context.ts';
import { checked } from './report.ts';
import type { Report } from './report.ts';

/** `promtool check rules` on one file of alert or recording rules: keys, types, PromQL and lint. */
export async function promtoolRules(file: string, ctx: ValidatorContext): Promise<Report> {
  const tool = ctx.validators.promtool;
  if (tool === null) return skippedWithout('promtool', 'promtool check rules');
  const args = ['check', 'rules', '--lint=all', '--lint-fatal', file];
  const result = await runTool(tool, args, ctx);
  const findings = result.code === 0 ? linesOf(result.stderr) : complaint(result);
  return checked(`promtool ${tool.version} check rules`, findings.filter(says));
}

/** `promtool check config`: a whole configuration, with the files of rules that it names. */
export async function promtoolConfig(file: string, ctx: ValidatorContext): Promise<Report> {
  const tool = ctx.validators.promtool;
  if (tool === null) return skippedWithout('promtool', 'promtool check config');
  const result = await runTool(tool, ['check', 'config', '--lint=all', '--lint-fatal', file], ctx);
  const findings = result.code === 0 ? linesOf(result.stderr) : complaint(result);
  return checked(`promtool ${tool.version} check config`, findings.filter(says));
}

/** The heading of each file is not a finding. */
function says(line: string): boolean {
  return !/^(Checking \S+|\s*FAILED:)$/.test(line);
}
