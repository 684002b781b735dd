import { MmdeployError } from '../errors.ts';
import type { OrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { realLoad } from '../simulate/real-load.ts';
import type { SeenAnswer } from './drift.ts';
import type { DriftInput } from './next-tokens.ts';
import { nextTokens } from './next-tokens.ts';
import { lastWords } from './parse.ts';

/** A model and projector as the engine is given them. */
export type PairPaths = { readonly model: string; readonly mmproj: string | null };

export type AskDeps = {
  readonly llamaServer: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly guard: OrphanGuard;
  readonly signal: AbortSignal;
};

/** A model as large as the machine takes minutes to be read. */
const SILENCE_MS = 600_000;
/** The least at which llama-server says where it listens. */
const VERBOSITY = 3;
const LISTENING = /listening on (http:\/\/127\.0\.0\.1:\d+)/g;

/**
 * Loads a pair in the real engine, asks it the inputs, and stops it. With no inputs it is the load, its
 * warm-up image included, that is seen. Throws `engine.start` with the end of the log when it does not
 * load, `request.failed` when it does not answer, `interrupted`.
 */
export async function askEngine(
  pair: PairPaths,
  contextTokens: number,
  inputs: readonly DriftInput[],
  deps: AskDeps,
  onInput: (done: number) => void,
): Promise<SeenAnswer[]> {
  const mmproj = pair.mmproj === null ? [] : ['--mmproj', pair.mmproj];
  const size = ['--ctx-size', String(contextTokens), '--parallel', '1'];
  const load = { ...deps, silenceMs: SILENCE_MS, verbosity: VERBOSITY };
  const { seen } = await realLoad(
    { ...load, args: ['--model', pair.model, ...mmproj, ...size] },
    (_, log) => {
      const url = [...log.matchAll(LISTENING)].at(-1)?.[1] ?? '';
      return nextTokens(url, inputs, deps.signal, onInput);
    },
  );
  return seen;
}

/** The engine's refusal of a file that was just made, in terms of that file. */
export function notTaken(error: unknown, what: string): unknown {
  if (!(error instanceof MmdeployError) || error.code === 'interrupted') return error;
  return new MmdeployError('engine.crashed', `${what} was made, but the engine does not take it`, {
    details: [error.message, ...lastWords(error.details.join('\n'))],
    hints: ['nothing was kept; `mmdeploy engine install --force` gets another build'],
    cause: error,
  });
}
