import { join } from 'node:path';
import type { ExactCheck, ModelEstimate } from '../contracts/estimate.ts';
import { writeCountingPair } from '../demo/counting-pair.ts';
import { isKnownProjector } from '../layout/encoder.ts';
import { MmdeployError } from '../errors.ts';
import type { CountedModel } from '../estimate/count.ts';
import { inputCounter } from '../estimate/count.ts';
import { countedAhead } from '../estimate/rehearsal.ts';
import type { EngineCount, ExactServer } from '../estimate/exact.ts';
import { askCounts } from '../estimate/exact.ts';
import type { ExactSample, SampledShape } from '../estimate/exact-sample.ts';
import { chooseOrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { serverUrl } from '../serve/client/server-url.ts';
import { makeRunFolder } from '../simulate/run-folder.ts';
import { realLoad } from '../simulate/real-load.ts';
import type { TokenSettings } from '../tokens/settings.ts';
import { sum } from '../units.ts';
import type { Context } from './context.ts';
import { selectEngine } from './engine.ts';

type ExactRequest = {
  /** `auto`, or the address of a llama-server. */
  readonly exact: string;
  readonly settings: TokenSettings;
};

/** Files that hold little, or a model that is read lazily: silence beyond this is a failure. */
const SILENCE_MS = 120_000;
/** The least at which llama-server says where it listens. */
const VERBOSITY = 3;
const LISTENING = /listening on (http:\/\/127\.0\.0\.1:\d+)/g;
const MOST_LISTED = 100;

/**
 * The estimates with what llama.cpp itself counts for the same inputs, of models that run on it. Throws
 * `usage.invalid` for a URL with several such models or none, `engine.*` and `request.failed` when the
 * engine cannot be had or asked.
 */
export async function withExact(
  estimates: readonly ModelEstimate[],
  {
    models,
    sample,
    ...request
  }: ExactRequest & {
    readonly models: readonly CountedModel[];
    readonly sample: ExactSample;
  },
  ctx: Context,
): Promise<readonly ModelEstimate[]> {
  const local = models.filter(({ engine }) => engine === 'llama.cpp').length;
  const isUrl = request.exact !== 'auto';
  if (local === 0 || (isUrl && local > 1)) throw nothingToAsk(local, isUrl);
  const checked: ModelEstimate[] = [];
  for (const [index, estimate] of estimates.entries()) {
    const model = models[index];
    checked.push(
      model?.engine === 'llama.cpp'
        ? { ...estimate, exact: await exactCheck(model, sample, request, ctx) }
        : estimate,
    );
  }
  return checked;
}

/** What llama.cpp counts for the shapes of a sample, beside the model's rule. Throws as `withExact`. */
export async function exactCheck(
  model: CountedModel,
  sample: ExactSample,
  request: ExactRequest,
  ctx: Context,
): Promise<ExactCheck> {
  const shapes = sample.shapes();
  const ask = (server: ExactServer) =>
    askCounts(shapes, server, {
      cwd: ctx.cwd,
      signal: ctx.signal,
      progress: (done) =>
        ctx.progress({ label: 'asking llama.cpp', done, total: shapes.length, unit: 'steps' }),
    });
  try {
    if (request.exact !== 'auto') {
      const url = serverUrl(request.exact, {
        flag: '--exact',
        command: 'estimate --image 1920x1080 --model MODEL',
      });
      const counts = await ask({ url, apiKey: ctx.env['OPENAI_API_KEY'] ?? null });
      return await compared(model, { shapes, counts, sample, request, url, standIn: false });
    }
    const counts = await withEngine(model, request, ctx, (url) => ask({ url, apiKey: null }));
    return await compared(model, {
      ...{ shapes, counts, sample, request, url: null },
      standIn: filesOf(model) === null,
    });
  } finally {
    ctx.progress(null);
  }
}

/** Starts llama-server with the model's files, or with some that count alike, while `use` runs. */
async function withEngine<Result>(
  model: CountedModel,
  { settings }: ExactRequest,
  ctx: Context,
  use: (url: string) => Promise<Result>,
): Promise<Result> {
  const { engine } = await selectEngine(ctx, { flag: null, gpus: [] });
  const guard = await chooseOrphanGuard(ctx.run, ctx.platform);
  const folder = await makeRunFolder(join(ctx.folders.cache, 'exact'));
  try {
    const pair = filesOf(model) ?? (await standIn(model, folder.path));
    const args = ['--model', pair.model, '--mmproj', pair.mmproj, ...countingArgs(settings)];
    const load = { llamaServer: engine.path, args, env: ctx.env, guard, signal: ctx.signal };
    const { seen } = await realLoad(
      { ...load, silenceMs: SILENCE_MS, verbosity: VERBOSITY },
      (_, log) => use([...log.matchAll(LISTENING)].at(-1)?.[1] ?? ''),
    );
    return seen;
  } finally {
    await folder.remove();
  }
}

/** The model's GGUF pair; null: one is made that counts alike. */
function filesOf({ files = null }: CountedModel) {
  return files;
}

/** Nothing is decoded: a small context on the CPU is enough, whatever the plan would take. */
function countingArgs({ imageMinTokens, imageMaxTokens, ubatch }: TokenSettings): string[] {
  return [
    ...['--ctx-size', '4096', '--parallel', '1', '--n-gpu-layers', '0', '--no-warmup'],
    ...['--no-mmproj-offload', '--fit', 'off'],
    ...(imageMinTokens === null ? [] : ['--image-min-tokens', String(imageMinTokens)]),
    ...(imageMaxTokens === null ? [] : ['--image-max-tokens', String(imageMaxTokens)]),
    ...(ubatch === null ? [] : ['--ubatch-size', String(ubatch)]),
  ];
}

async function standIn({ id, description }: CountedModel, folder: string) {
  const { encoder } = description;
  if (encoder === null || !isKnownProjector(encoder.projectorType)) {
    throw new MmdeployError('usage.invalid', `\`--exact auto\` can make no files for \`${id}\``, {
      details: ['its projector is not known here tensor by tensor, or there is none'],
      hints: [
        `give its own: \`mmdeploy estimate --model FILE.gguf --mmproj MMPROJ.gguf --exact auto\``,
        `or a server that has loaded it: \`mmdeploy estimate --model ${id} --exact http://127.0.0.1:8080\``,
      ],
    });
  }
  return writeCountingPair(encoder, description.imageTokens['llama.cpp'] ?? null, folder);
}

type Comparison = {
  readonly shapes: readonly SampledShape[];
  readonly counts: readonly EngineCount[];
  readonly sample: ExactSample;
  readonly request: ExactRequest;
  readonly url: string | null;
  readonly standIn: boolean;
};

async function compared(model: CountedModel, found: Comparison): Promise<ExactCheck> {
  const { shapes, counts, sample, request, url, standIn } = found;
  const formulaOf = await countedAhead(model, (each) => formulas(each, shapes, request.settings));
  const rows = shapes.map(({ input, count }, index) => {
    const engine = counts[index] ?? { unasked: 'not asked' };
    const formula = formulaOf[index] ?? null;
    const tokens = 'tokens' in engine ? engine.tokens : null;
    const difference = tokens === null || formula === null ? null : tokens - formula;
    const { modality, width, height, seconds } = input;
    const unasked = 'unasked' in engine ? engine.unasked : null;
    const row = { input: input.input, modality, width, height, seconds, count };
    return { row: { ...row, formula, engine: tokens, difference }, unasked };
  });
  const asked = rows.filter(({ unasked }) => unasked === null).map(({ row }) => row);
  const left = sample.left();
  return {
    engine: 'llama.cpp',
    url,
    standIn,
    asked: asked.length,
    tokens: sum(asked.map((row) => (row.engine ?? 0) * row.count)),
    formula: asked.some((row) => row.formula === null)
      ? null
      : sum(asked.map((row) => (row.formula ?? 0) * row.count)),
    differences: asked.filter((row) => row.difference !== 0).slice(0, MOST_LISTED),
    unasked: [
      ...rows.flatMap(({ row, unasked }) =>
        unasked === null ? [] : [{ input: row.input, count: row.count, reason: unasked }],
      ),
      ...(left.shapes === 0
        ? []
        : [{ input: null, count: left.shapes, reason: `beyond ${shapes.length} distinct shapes` }]),
      ...(left.texts === 0
        ? []
        : [{ input: null, count: left.texts, reason: 'texts are counted by the tokenizer' }]),
    ],
  };
}

/** The rule's own count of each shape, one of it; null where there is no rule or it refuses. */
function formulas(
  model: CountedModel,
  shapes: readonly SampledShape[],
  settings: TokenSettings,
): readonly (number | null)[] {
  const count = inputCounter(model, settings);
  return shapes.map(({ input }) => count({ ...input, count: 1 }).item.tokens);
}

function nothingToAsk(models: number, isUrl: boolean): MmdeployError {
  const many = models > 1 && isUrl;
  return new MmdeployError(
    'usage.invalid',
    many
      ? `one server has one model, and ${models} of these run on llama.cpp`
      : '`--exact` asks llama.cpp, and none of these models runs on it',
    {
      hints: [
        many
          ? 'name the one it has loaded: `mmdeploy estimate --model MODEL --exact URL`'
          : 'as in `mmdeploy estimate --image 1920x1080 --model qwen2.5-vl-7b --engine llama.cpp --exact auto`',
      ],
    },
  );
}
