import type { EngineFound, Machine } from '../contracts/machine.ts';
import { detectMachine } from '../detect/machine.ts';
import type { Context } from './context.ts';

/** `mmdeploy doctor`: what this machine has. A machine without a GPU is an answer, not an error. */
export function doctorWorkflow(
  ctx: Context,
  findEngines: () => Promise<readonly EngineFound[]>,
  { planOnly }: { readonly planOnly: boolean } = { planOnly: false },
): Promise<Machine> {
  const { run, env, platform, signal } = ctx;
  return detectMachine({ run, env, platform, signal, findEngines, planOnly });
}

/** `mmdeploy doctor --raw`: the tools' own output, without anything that identifies its owner. */
export async function rawCaptures(ctx: Context): Promise<string> {
  const { captureRaw } = await import('../detect/raw.ts');
  const { makeHost } = await import('../detect/host.ts');
  const { run, env, platform, signal } = ctx;
  return captureRaw(makeHost({ run, env, platform, signal }));
}
