import type { RunCommand, RunResult } from '../process/run.ts';
import { TOOLS } from './tools.ts';
import type { FoundTool, ToolName, Validators } from './tools.ts';
import type { Skipped } from './report.ts';

/** What a check may use. The workflows' `Context` with `validators` and `llamaServer` is one. */
export type ValidatorContext = {
  readonly run: RunCommand;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly validators: Validators;
  /** The engine that reads arguments and presets; null where none is installed. */
  readonly llamaServer: string | null;
};

export const TIMEOUT_MS = 60_000;

/** `run` as this tool is run: English messages, no colours, no pager, none of the user's settings. */
export async function runTool(
  tool: FoundTool,
  args: readonly string[],
  ctx: ValidatorContext,
  variables: Readonly<Record<string, string>> = {},
): Promise<RunResult> {
  const { PATH, HOME, TMPDIR } = ctx.env;
  return ctx.run(tool.path, args, {
    timeoutMs: TIMEOUT_MS,
    signal: ctx.signal,
    env: {
      ...(PATH === undefined ? {} : { PATH }),
      ...(HOME === undefined ? {} : { HOME }),
      ...(TMPDIR === undefined ? {} : { TMPDIR }),
      LC_ALL: 'C.UTF-8',
      NO_COLOR: '1',
      ...variables,
    },
  });
}

/** Why a check cannot be made without `name`, with the command that helps. */
export function skippedWithout(name: ToolName, validator: string): Skipped {
  const { packageName, least } = TOOLS[name];
  return {
    validator,
    skipped: `${name} ${least.join('.')} or newer is not on this machine (package ${packageName})`,
  };
}

/** Lines that say something. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== '');
}

/** What a tool that failed said; never nothing. */
export function complaint(result: RunResult): string[] {
  const said = linesOf(`${result.stderr}\n${result.stdout}`);
  if (result.outcome !== 'exited') return [...said, `it did not finish: ${result.outcome}`];
  return said.length > 0 ? said : [`it says nothing and exits ${result.code ?? 'by a signal'}`];
}
