import { z } from 'zod';
import { complaint, runTool, skippedWithout } from './context.ts';
import type { ValidatorContext } from './context.ts';
import { checked } from './report.ts';
import type { Report } from './report.ts';

const commentsSchema = z.object({
  comments: z.array(
    z.object({ line: z.number(), column: z.number(), code: z.number(), message: z.string() }),
  ),
});

/** shellcheck on one script, style remarks included; the user's `.shellcheckrc` is not read. */
export async function shellcheck(file: string, ctx: ValidatorContext): Promise<Report> {
  const tool = ctx.validators.shellcheck;
  if (tool === null) return skippedWithout('shellcheck', 'shellcheck');
  const args = ['--norc', '--severity=style', '--format=json1', file];
  const result = await runTool(tool, args, ctx);
  const comments = commentsOf(result.stdout);
  const findings =
    comments === null || (comments.length === 0 && result.code !== 0)
      ? complaint(result)
      : comments.map(
          ({ line, column, code, message }) => `${line}:${column} SC${code}: ${message}`,
        );
  return checked(`shellcheck ${tool.version}`, findings);
}

function commentsOf(stdout: string) {
  try {
    return commentsSchema.parse(JSON.parse(stdout)).comments;
  } catch {
    return null;
  }
}
