import { complaint, linesOf, runTool, skippedWithout } from './context.ts';
import type { ValidatorContext } from './context.ts';
import { checked } from './report.ts';
import type { Report } from './report.ts';

/**
 * `docker-compose config` on one file: its schema, its own rules and its variables. No daemon is asked.
 * `variables` are those that the file interpolates; one that is not given is a finding, as everything is
 * that Compose says.
 */
export async function composeConfig(
  file: string,
  ctx: ValidatorContext,
  variables: Readonly<Record<string, string>> = {},
): Promise<Report> {
  const tool = ctx.validators['docker-compose'];
  if (tool === null) return skippedWithout('docker-compose', 'docker-compose config');
  const result = await runTool(tool, ['-f', file, 'config', '--quiet'], ctx, variables);
  const findings = result.code === 0 ? linesOf(result.stderr) : complaint(result);
  const plain = findings.map((line) => line.replace(`validating ${file}: `, ''));
  return checked(`docker-compose ${tool.version} config`, plain);
}
