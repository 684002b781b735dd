import type { Estimate } from '../contracts/estimate.ts';
import { ESTIMATE_SCHEMA } from '../contracts/estimate.ts';
import { MmdeployError } from '../errors.ts';
import { adviceFor } from '../estimate/advice.ts';
import type { PriceInUse } from '../estimate/cost.ts';
import { priceAgeDays } from '../estimate/cost.ts';
import type { CountedModel } from '../estimate/count.ts';
import { dedupeOf } from '../estimate/dedupe.ts';
import {
  parseAudioDescription,
  parseImageDescription,
  parseTextTokens,
  parseVideoDescription,
  textInput,
} from '../estimate/describe-input.ts';
import { exactSample } from '../estimate/exact-sample.ts';
import type { ExactSample } from '../estimate/exact-sample.ts';
import { inputsOf } from '../estimate/inputs-tally.ts';
import { DEFAULT_PDF_DPI, createReader } from '../estimate/read/index.ts';
import { estimateOf } from '../estimate/totals.ts';
import { MISSING, NO_MATCH } from '../estimate/walk.ts';
import { priceWarnings } from '../estimate/price-warnings.ts';
import { warningsOf } from '../estimate/warnings.ts';
import type { Context } from './context.ts';
import { withExact } from './estimate-exact.ts';
import { resolveModels } from './estimate-models.ts';
import { LIST_PRICES, openPrices } from './estimate-price.ts';
import { filePaths, manifestsOf } from './estimate-manifests.ts';
import type { EstimateRequest } from './estimate-request.ts';
import { settingsOf, wholeNumber } from './estimate-request.ts';
import type { Counted } from './estimate-run.ts';
import { countAll } from './estimate-run.ts';

export type { EstimateRequest } from './estimate-request.ts';

/** What an estimate is put together from, whoever counted it. */
export type Prepared = {
  readonly models: readonly CountedModel[];
  /** In the order of the models; null where there is none, or none is to be paid. */
  readonly prices: readonly (PriceInUse | null)[];
  readonly warnings: readonly string[];
};

/**
 * Tokens and cost of an input set for every model asked for. Unreadable inputs are in the document;
 * only when nothing at all was found does it throw (`usage.invalid`, `file.missing`).
 */
export async function estimateWorkflow(request: EstimateRequest, ctx: Context): Promise<Estimate> {
  const prepared = await prepare(request, ctx);
  const { exact = null } = request;
  const sample = exact === null ? null : exactSample();
  const counted = await count(request, prepared, ctx, sample);
  const document = documentOf(request, prepared, counted, ctx.now());
  if (exact === null || sample === null) return document;
  const asked = { models: prepared.models, sample, exact, settings: settingsOf(request) };
  return { ...document, models: await withExact(document.models, asked, ctx) };
}

/** Models and their prices. */
export async function prepare(request: EstimateRequest, ctx: Context): Promise<Prepared> {
  const { models, warnings } = await resolveModels(request, ctx);
  const priceOf = await openPrices(request.pricing ?? LIST_PRICES, request, ctx);
  const prices = await Promise.all(models.map(priceOf));
  return { models, prices, warnings };
}

/** Reads and counts the inputs, or this machine's share of them. */
export async function count(
  request: EstimateRequest,
  { models, prices }: Prepared,
  ctx: Context,
  sample: ExactSample | null = null,
): Promise<Counted> {
  const settings = settingsOf(request);
  const described = [
    ...request.images.map(parseImageDescription),
    ...request.audios.map(parseAudioDescription),
    ...request.videos.map(parseVideoDescription),
    ...request.texts.map((text) => textInput('--text', text)),
    ...request.textTokens.map(parseTextTokens),
  ];
  const { cwd, signal } = ctx;
  const { requests, shard, dedupe, items, decode } = request;
  const paths = filePaths(request);
  const manifests = manifestsOf(request, ctx);
  const pdfDpi = request.pdfDpi ?? DEFAULT_PDF_DPI;
  const reader = createReader({ decode, pdfDpi, run: ctx.run, signal });
  try {
    const counted = await countAll(models, {
      ...{ settings, items, longAbove: prices.map(longAboveOf), sample },
      sources: { paths, manifests, described, requests, shard, dedupe, reader, cwd, signal },
      progress: (done) =>
        ctx.progress({ label: 'reading inputs', done, total: null, unit: 'inputs' }),
    });
    if (shard === null) refuseNothing(request, counted);
    return counted;
  } finally {
    ctx.progress(null);
  }
}

function longAboveOf(price: PriceInUse | null): number | null {
  return price?.longContext?.above ?? null;
}

/** The document of what was counted: money is worked out here, from whole sums. */
export function documentOf(
  request: EstimateRequest,
  { models, prices, warnings: before }: Prepared,
  { inputs, tallies, dedupe }: Counted,
  now: Date,
): Estimate {
  const settings = settingsOf(request);
  const outputTokens = wholeNumber('output-tokens', request.outputTokens);
  const { hidden } = inputs;
  const warnings = [
    ...before,
    ...(hidden > 0 ? [`hidden files and folders left out: ${hidden}`] : []),
  ];
  const estimates = models.flatMap((model, at) => {
    const tally = tallies[at];
    if (tally === undefined) return [];
    const price = prices[at] ?? null;
    const total = estimateOf(model, tally, { price, outputTokens });
    const priced = {
      now,
      asOf: request.asOf,
      inputTokens: total.tokens.total,
      apart: tally.one.requests === 0,
      answers: outputTokens === null ? tally.answers : null,
    };
    warnings.push(...warningsOf(model, tally, settings), ...priceWarnings(model, price, priced));
    const asked = { model, settings, price };
    return [
      {
        ...total,
        priceAgeDays: price === null || price.asOf === null ? null : priceAgeDays(price, now),
        advice: adviceFor(asked, inputs.sizes),
      },
    ];
  });
  return {
    schema: ESTIMATE_SCHEMA,
    inputs: inputsOf(inputs),
    models: estimates,
    dedupe: dedupe === null ? null : dedupeOf(dedupe, models.length),
    warnings,
  };
}

/** What `--strict` makes of inputs that could not be read; null when every one could. */
export function incomplete(estimate: Estimate): MmdeployError | null {
  const unread = estimate.inputs.unreadableCount;
  const refusals = estimate.models.filter(({ uncounted }) => uncounted > 0);
  if (unread === 0 && refusals.length === 0) return null;
  const reasons = [
    ...(unread > 0 ? [`${unread} could not be read`] : []),
    ...refusals.map(({ id, engine, uncounted }) => `${uncounted} not taken by ${id} on ${engine}`),
  ];
  return new MmdeployError(
    'input.incomplete',
    `not every input is counted (--strict): ${reasons.join(', ')}`,
    { hints: ['without `--strict` they are listed and left out: `mmdeploy estimate …`'] },
  );
}

export function refuseNothing(request: EstimateRequest, { inputs, tallies }: Counted): void {
  if (tallies.some(({ taken, uncounted }) => taken + uncounted > 0)) return;
  if (inputs.unreadableCount === 0) {
    const asked =
      request.paths.length + request.manifests.length === 0 ? 'nothing' : 'no inputs found';
    throw new MmdeployError('usage.invalid', `${asked} to estimate`, {
      hints: [
        'give files, a folder or a size: `mmdeploy estimate --image 1920x1080 --model gpt-4o`',
      ],
    });
  }
  const unreadable = inputs.unreadable.map(({ value }) => value);
  if (!unreadable.every(({ reason }) => reason === MISSING || reason === NO_MATCH)) return;
  const [first, ...others] = unreadable.map(({ path, reason }) => `${reason}: ${path}`);
  throw new MmdeployError('file.missing', first ?? '', {
    details: others,
    hints: ['describe it instead: `mmdeploy estimate --image 1920x1080 --model gpt-4o`'],
  });
}
