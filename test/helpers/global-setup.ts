import type { TestProject } from 'vitest/node';
import type { Validators } from '../../src/validators/tools.ts';
import { testEngine } from './engine.ts';
import { testValidators } from './validators.ts';

declare module 'vitest' {
  // Declaration merging needs an interface.
  // eslint-disable-next-line @typescript-eslint/consistent-type-definitions
  interface ProvidedContext {
    /** Path of a real llama-server, or null where none can be had. */
    llamaServer: string | null;
    /** Why `llamaServer` is null; empty when it is not. */
    engineSkipReason: string;
    /** The readers of written files, each null where it is not on this machine. */
    validators: Validators;
  }
}

/** Finds or installs the real engine and the readers once for all tests; missing, they fail the run where required. */
export async function setup(project: TestProject): Promise<void> {
  await provideEngine(project);
  await provideValidators(project);
}

async function provideEngine(project: TestProject): Promise<void> {
  const engine = await testEngine(process.env);
  project.provide('llamaServer', engine.path);
  project.provide('engineSkipReason', engine.reason ?? '');
  if (engine.path !== null) return;
  if (process.env['MMDEPLOY_REQUIRE_ENGINE'] === '1') {
    throw new Error(`a real llama-server is required here and cannot be had: ${engine.reason}`);
  }
  process.stderr.write(`real-engine tests skipped: ${engine.reason}\n`);
}

async function provideValidators(project: TestProject): Promise<void> {
  const required = process.env['MMDEPLOY_REQUIRE_VALIDATORS'] === '1';
  const { validators, missing } = await testValidators(process.env, required);
  project.provide('validators', validators);
  if (missing === null) return;
  if (required) throw new Error(`the readers of written files are required here: ${missing}`);
  process.stderr.write(`tests of written files skipped in part: ${missing}\n`);
}
