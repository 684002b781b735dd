import type { TestProject } from 'vitest/node';
import { testEngine } from './engine.ts';

declare module 'vitest' {
  // Declaration merging needs an interface.
  // eslint-disable-next-line @typescript-eslint/consistent-type-definitions
  interface ProvidedContext {
    /** Path of a real llama-server, or null where none can be had. */
    llamaServer: string | null;
    /** Why `llamaServer` is null; empty when it is not. */
    engineSkipReason: string;
  }
}

/** Finds or installs the real engine once for all tests; missing, it fails the run where required. */
export async function setup(project: TestProject): Promise<void> {
  const engine = await testEngine(process.env);
  project.provide('llamaServer', engine.path);
  project.provide('engineSkipReason', engine.reason ?? '');
  if (engine.path !== null) return;
  if (process.env['MMDEPLOY_REQUIRE_ENGINE'] === '1') {
    throw new Error(`a real llama-server is required here and cannot be had: ${engine.reason}`);
  }
  process.stderr.write(`real-engine tests skipped: ${engine.reason}\n`);
}
