import { inject } from 'vitest';
import { messageOf, MmdeployError } from '../../src/errors.ts';
import { folders } from '../../src/process/folders.ts';
import { runCommand } from '../../src/process/run.ts';
import type { ValidatorContext } from '../../src/validators/context.ts';
import { findValidators } from '../../src/validators/find.ts';
import { installValidators } from '../../src/validators/install.ts';
import type { Checked, Report } from '../../src/validators/report.ts';
import type { Validators } from '../../src/validators/tools.ts';
import { installContext } from './engine.ts';

/** The command that installs what the tests of written files need. */
const INSTALL = 'npm run validators';

export type TestValidators = {
  readonly validators: Validators;
  /** What is not there and why, in one line; null when nothing is missing. */
  readonly missing: string | null;
};

/**
 * The readers on this machine: the system's own, else those that `npm run validators` installed. Where a run
 * requires them (`.ci/run`), they are installed now.
 */
export async function testValidators(
  env: NodeJS.ProcessEnv,
  required: boolean,
): Promise<TestValidators> {
  const ctx = { env, run: runCommand, folders: folders(env) };
  let validators = await findValidators(ctx);
  let reason = `\`${INSTALL}\` installs them on Debian`;
  if (required && absent(validators).length > 0) {
    try {
      await installValidators({ force: false }, { ...installContext('/nonexistent'), ...ctx });
      validators = await findValidators(ctx);
    } catch (error) {
      const details = error instanceof MmdeployError ? error.details : [];
      reason = [messageOf(error), ...details].join('; ');
    }
  }
  const names = absent(validators);
  return { validators, missing: names.length === 0 ? null : `no ${names.join(', ')} (${reason})` };
}

function absent(validators: Validators): string[] {
  return Object.entries(validators)
    .filter(([, tool]) => tool === null)
    .map(([name]) => name);
}

/** A context for `src/validators`, on the readers and the engine that the tests found. */
export function validatorContext(
  overrides: Partial<ValidatorContext> = {},
): ValidatorContext & { readonly platform: NodeJS.Platform } {
  return {
    run: runCommand,
    env: process.env,
    platform: process.platform,
    signal: new AbortController().signal,
    validators: inject('validators'),
    llamaServer: inject('llamaServer'),
    ...overrides,
  };
}

/** The report of a check that was made; throws where it was skipped. */
export function made(report: Report): Checked {
  if ('skipped' in report) throw new Error(`${report.validator}: ${report.skipped}`);
  return report;
}
