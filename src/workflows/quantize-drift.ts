import { join } from 'node:path';
import type { Drift, DriftComparison, QuantizeRole } from '../contracts/quantize.ts';
import { QUANTIZE_ROLES } from '../contracts/quantize.ts';
import { writeDemoImages } from '../demo/images.ts';
import { MmdeployError } from '../errors.ts';
import { optionalNumber } from '../layout/header-view.ts';
import type { AskDeps, PairPaths } from '../quantize/ask-engine.ts';
import { askEngine, notTaken } from '../quantize/ask-engine.ts';
import type { SeenAnswer } from '../quantize/drift.ts';
import { answerDrift, totalDrift } from '../quantize/drift.ts';
import { imageInputs, textInputs } from '../quantize/inputs.ts';
import type { DriftInput } from '../quantize/next-tokens.ts';
import { MOST_POSITIONS, TOP_TOKENS } from '../quantize/next-tokens.ts';
import { soundInputs } from '../quantize/sound.ts';
import type { Context } from './context.ts';
import type { GgufPair } from './gguf-pair.ts';

export type DriftRequest = {
  /** False: the new files are loaded, and nothing more. */
  readonly measure: boolean;
  /** `--images FILE…`; none: some are drawn. */
  readonly images: readonly string[];
};

/** Room for a picture of some thousand tokens, and little enough for a small machine. */
const CONTEXT_TOKENS = 8192;

const METHOD =
  'Next-token distributions of llama-server for the same questions, temperature 0, new file against ' +
  'source: KL(source || new) in nats and total variation, position by position until the two answers ' +
  `part. Of each distribution the ${TOP_TOKENS} most probable tokens are seen; the rest counts as one.`;

/** What the engine is asked: pictures where the model sees, sounds where it only hears, else text. */
export async function driftInputs(
  { mmproj }: GgufPair,
  { measure, images }: DriftRequest,
  ctx: Context,
): Promise<DriftInput[]> {
  if (!measure) return [];
  if (mmproj?.get('clip.has_vision_encoder') === true) {
    if (images.length > 0) return imageInputs(images, ctx.cwd);
    const drawn = await writeDemoImages(join(ctx.folders.cache, 'demo', 'images'));
    return imageInputs(
      drawn.map(({ path }) => path),
      ctx.cwd,
    );
  }
  if (images.length > 0) {
    throw new MmdeployError('usage.invalid', '`--images`: the model does not see', {
      hints: ['leave `--images` out: it is asked about sounds or text'],
    });
  }
  return mmproj === null ? textInputs() : soundInputs();
}

type Measured = {
  readonly pair: GgufPair;
  /** The files as they were. */
  readonly from: PairPaths;
  readonly inputs: readonly DriftInput[];
};

/** What the engine answered with some of the files replaced by new ones. */
type SeenWith = {
  readonly changed: readonly QuantizeRole[];
  readonly answers: readonly SeenAnswer[];
};

/** Which files are new in each load: every one by itself, to tell whose the drift is, and all of them. */
function changes(made: readonly QuantizeRole[], measure: boolean): QuantizeRole[][] {
  const alone = measure && made.length > 1 ? made.map((role) => [role]) : [];
  return [...alone, [...made]];
}

/** The pair with the new files of these roles. */
export function withMade(
  from: PairPaths,
  made: ReadonlyMap<QuantizeRole, string>,
  roles: readonly QuantizeRole[],
): PairPaths {
  const path = (role: QuantizeRole) => (roles.includes(role) ? made.get(role) : undefined);
  return { model: path('weights') ?? from.model, mmproj: path('encoder') ?? from.mmproj };
}

/**
 * Loads the new files, each with its counterpart, and asks them. Where they load but the engine gives out
 * at a question, the source is asked too: null when it does as well, for then it is not the new file's
 * fault. Throws `engine.crashed`, `interrupted`.
 */
export async function checkNewFiles(
  { pair, from, inputs, made }: Measured & { readonly made: ReadonlyMap<QuantizeRole, string> },
  deps: AskDeps,
  ctx: Context,
): Promise<SeenWith[] | null> {
  const seen: SeenWith[] = [];
  const roles = QUANTIZE_ROLES.filter((role) => made.has(role));
  for (const changed of changes(roles, inputs.length > 0)) {
    const label = `the new ${changed.join(' and ')}`;
    ctx.notice(`check     llama-server with ${label}`);
    try {
      const found = await ask(withMade(from, made, changed), label, { pair, inputs }, deps, ctx);
      seen.push({ changed, answers: found });
    } catch (error) {
      const loaded = error instanceof MmdeployError && error.code === 'request.failed';
      if (loaded && !(await answers(from, { pair, inputs }, deps, ctx))) return null;
      throw notTaken(error, label);
    }
  }
  return seen;
}

async function answers(
  from: PairPaths,
  asked: Pick<Measured, 'pair' | 'inputs'>,
  deps: AskDeps,
  ctx: Context,
): Promise<boolean> {
  try {
    await ask(from, 'the source', asked, deps, ctx);
    return true;
  } catch (error) {
    if (error instanceof MmdeployError && error.code !== 'interrupted') return false;
    throw error;
  }
}

/** The drift against the source; a source that does not answer is a warning, for the new files are good. */
export async function measureDrift(
  seen: readonly SeenWith[] | null,
  measured: Measured,
  deps: AskDeps,
  ctx: Context,
): Promise<{ readonly drift: Drift | null; readonly warnings: readonly string[] }> {
  const { inputs, from } = measured;
  if (inputs.length === 0) return { drift: null, warnings: [] };
  if (seen === null) {
    return {
      drift: null,
      warnings: [
        'the drift is not known: the engine gives out at the questions, with the source too',
      ],
    };
  }
  ctx.notice('compare   llama-server with the source');
  try {
    const source = await ask(from, 'the source', measured, deps, ctx);
    const comparisons = seen.map((each) => comparison(source, each, inputs));
    const limits = { topTokens: TOP_TOKENS, mostPositions: MOST_POSITIONS };
    return { drift: { method: METHOD, ...limits, comparisons }, warnings: [] };
  } catch (error) {
    if (!(error instanceof MmdeployError) || error.code === 'interrupted') throw error;
    return {
      drift: null,
      warnings: [`the drift is not known, the source did not answer: ${error.message}`],
    };
  }
}

function comparison(
  source: readonly SeenAnswer[],
  { changed, answers }: SeenWith,
  inputs: readonly DriftInput[],
): DriftComparison {
  const each = inputs.map(({ name }, at) => ({
    input: name,
    ...answerDrift(source[at] ?? [], answers[at] ?? [], TOP_TOKENS),
  }));
  return { changed: [...changed], ...totalDrift(each), inputs: each };
}

async function ask(
  paths: PairPaths,
  label: string,
  { pair, inputs }: Pick<Measured, 'pair' | 'inputs'>,
  deps: AskDeps,
  ctx: Context,
): Promise<SeenAnswer[]> {
  const arch = String(pair.model.get('general.architecture'));
  const trained = optionalNumber(pair.model, `${arch}.context_length`) ?? CONTEXT_TOKENS;
  const answers = await askEngine(paths, Math.min(trained, CONTEXT_TOKENS), inputs, deps, (done) =>
    ctx.progress({ label: `asking ${label}`, done, total: inputs.length, unit: 'steps' }),
  );
  ctx.progress(null);
  return answers;
}
