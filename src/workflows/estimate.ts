import type { EngineName, Modality } from '../contracts/basis.ts';
import type { Estimate } from '../contracts/estimate.ts';
import { ESTIMATE_SCHEMA } from '../contracts/estimate.ts';
import { MmdeployError } from '../errors.ts';
import type { CountedModel } from '../estimate/count.ts';
import { countInputs } from '../estimate/count.ts';
import type { Scan } from '../estimate/scan.ts';
import { scanInputs } from '../estimate/scan.ts';
import { DEFAULT_PDF_DPI, createReader } from '../estimate/read/index.ts';
import { totalOf } from '../estimate/totals.ts';
import { MISSING, NO_MATCH } from '../estimate/walk.ts';
import { priceWarnings } from '../estimate/price-warnings.ts';
import { warningsOf } from '../estimate/warnings.ts';
import { defaultEngine } from '../profiles/describe.ts';
import type { Profile } from '../profiles/layers.ts';
import type { TokenSettings } from '../tokens/settings.ts';
import { vocabularyOf } from '../tokens/text/vocabulary.ts';
import { sum } from '../units.ts';
import type { Context } from './context.ts';
import type { LoadedModel } from './model.ts';
import type { PricingRequest } from './estimate-price.ts';
import { LIST_PRICES, openPrices } from './estimate-price.ts';
import { loadModel } from './model.ts';

export type EstimateRequest = {
  readonly paths: readonly string[];
  /** `--image WxH[*N]`. */
  readonly images: readonly string[];
  /** `--audio SECONDSs[*N]`. */
  readonly audios: readonly string[];
  /** `--video SECONDSs@WxH[@FPS][*N]`. */
  readonly videos: readonly string[];
  readonly texts: readonly string[];
  readonly textTokens: readonly (string | number)[];
  /** Profile ids, aliases or GGUF paths; one entry may hold several, separated by commas. */
  readonly models: readonly string[];
  readonly engine: EngineName | 'auto';
  readonly detail: TokenSettings['detail'];
  readonly mediaResolution: TokenSettings['mediaResolution'];
  readonly imageMinTokens: number | null;
  readonly imageMaxTokens: number | null;
  readonly ubatch: number | null;
  /** `2026-03-01`: count by the vendor's rules of that day; null: by those of today. */
  readonly asOf: string | null;
  /** Prove that files decode; without it a sound header is enough. */
  readonly decode: boolean;
  /** Dots per inch that pages of a PDF are taken at; null: 150. */
  readonly pdfDpi: number | null;
  /** Keep one row for each input. */
  readonly items: boolean;
  readonly outputTokens: number | null;
  /** How the bill is made out; at list prices where left out. */
  readonly pricing?: PricingRequest;
  /** Read by the caller: a document with unreadable inputs is then exit 7. */
  readonly strict: boolean;
  /** `--profiles DIR`. */
  readonly profilesDir: string | null;
  readonly mmproj: string | null;
};

/** Up to here every input is in the document unasked; beyond, `--items` asks for them. */
const MAX_UNASKED_ITEMS = 1000;

/** llama.cpp's own defaults, where a count depends on them. */
const DEFAULT_UBATCH = 512;

/**
 * Tokens and cost of an input set for every model asked for. Unreadable inputs are in the document;
 * only when nothing at all was found does it throw (`usage.invalid`, `file.missing`).
 */
export async function estimateWorkflow(request: EstimateRequest, ctx: Context): Promise<Estimate> {
  const settings = settingsOf(request);
  const outputTokens = wholeNumber('output-tokens', request.outputTokens) ?? 0;
  const { models, warnings } = await resolveModels(request, ctx);
  const priceOf = await openPrices(request.pricing ?? LIST_PRICES, request, ctx);
  const prices = await Promise.all(models.map(priceOf));
  const scan = await scanWithProgress(request, ctx);
  refuseNothing(request, scan);

  if (scan.hidden > 0) warnings.push(`hidden files and folders left out: ${scan.hidden}`);
  const estimates = models.map((model, index) => {
    const counted = countInputs(scan.inputs, model, settings);
    const price = prices[index] ?? null;
    const total = totalOf(model, counted, {
      price,
      outputTokens,
      items: request.items || scan.inputs.length <= MAX_UNASKED_ITEMS,
    });
    const priced = { now: ctx.now(), asOf: request.asOf, inputTokens: total.tokens.total };
    warnings.push(...warningsOf(model, counted, settings), ...priceWarnings(model, price, priced));
    return total;
  });
  return { schema: ESTIMATE_SCHEMA, inputs: inputTotals(scan), models: estimates, warnings };
}

/** What `--strict` makes of inputs that could not be read; null when every one could. */
export function incomplete(estimate: Estimate): MmdeployError | null {
  const unread = estimate.inputs.unreadable.length;
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

async function scanWithProgress(request: EstimateRequest, ctx: Context): Promise<Scan> {
  try {
    return await scanInputs(request, {
      cwd: ctx.cwd,
      reader: createReader({
        decode: request.decode,
        pdfDpi: request.pdfDpi ?? DEFAULT_PDF_DPI,
        run: ctx.run,
        signal: ctx.signal,
      }),
      signal: ctx.signal,
      progress: (done, total) =>
        ctx.progress({ label: 'reading inputs', done, total, unit: 'files' }),
    });
  } finally {
    ctx.progress(null);
  }
}

function inputTotals({ inputs, files, unreadable }: Scan): Estimate['inputs'] {
  const of = (modality: Modality) => inputs.filter((input) => input.modality === modality);
  const howMany = (some: Scan['inputs']) => sum(some.map(({ count }) => count));
  const seconds = (some: Scan['inputs']) => sum(some.map((i) => (i.seconds ?? 0) * i.count));
  const texts = inputs.flatMap(({ text }) => (text === null ? [] : [Buffer.byteLength(text)]));
  return {
    files,
    images: howMany(of('image')),
    audios: howMany(of('audio')),
    audioSeconds: seconds(of('audio')),
    videos: howMany(of('video')),
    videoSeconds: seconds(of('video')),
    documents: 0,
    textBytes: sum(texts),
    unreadable,
  };
}

function refuseNothing(request: EstimateRequest, scan: Scan): void {
  if (scan.inputs.length > 0) return;
  if (scan.unreadable.length === 0) {
    const asked = request.paths.length === 0 ? 'nothing' : 'no inputs found';
    throw new MmdeployError('usage.invalid', `${asked} to estimate`, {
      hints: [
        'give files, a folder or a size: `mmdeploy estimate --image 1920x1080 --model gpt-4o`',
      ],
    });
  }
  if (!scan.unreadable.every(({ reason }) => reason === MISSING || reason === NO_MATCH)) return;
  const [first, ...others] = scan.unreadable.map(({ path, reason }) => `${reason}: ${path}`);
  throw new MmdeployError('file.missing', first ?? '', {
    details: others,
    hints: ['describe it instead: `mmdeploy estimate --image 1920x1080 --model gpt-4o`'],
  });
}

async function resolveModels(
  request: EstimateRequest,
  ctx: Context,
): Promise<{ models: CountedModel[]; warnings: string[] }> {
  const names = request.models.flatMap((name) => name.split(',')).map((name) => name.trim());
  const wanted = [...new Set(names.filter((name) => name !== ''))];
  if (wanted.length === 0) {
    throw new MmdeployError('usage.invalid', 'no model to estimate for (--model)', {
      hints: [
        'name one or more: `mmdeploy estimate photos/ --model gpt-4o,qwen2.5-vl-7b`',
        'list every model with `mmdeploy models`',
      ],
    });
  }
  const models: CountedModel[] = [];
  const warnings = new Set<string>();
  for (const name of wanted) {
    const { profilesDir } = request;
    // Among several models the projector is that of the GGUF file.
    const mmproj = wanted.length > 1 && !name.endsWith('.gguf') ? null : request.mmproj;
    const loaded = await loadModel({ name, mmproj, profilesDir, asOf: request.asOf }, ctx);
    for (const warning of loaded.warnings) warnings.add(warning);
    const model = countedModel(loaded, name, request.engine);
    if (!models.some(({ id, engine }) => id === model.id && engine === model.engine)) {
      models.push(model);
    }
  }
  return { models, warnings: [...warnings] };
}

function countedModel(
  { source, profile, headers }: LoadedModel,
  name: string,
  engine: EstimateRequest['engine'],
): CountedModel {
  const description = source.model;
  const vocabulary = headers === null ? null : vocabularyOf(headers.model.metadata);
  const template = headers?.model.get('tokenizer.chat_template');
  return {
    id: description.id,
    engine: profile === null ? engineOfGguf(name, engine) : engineFor(profile, engine),
    description,
    vocabulary: vocabulary?.kind === 'spm' ? vocabulary : null,
    chatTemplate: typeof template === 'string' ? template : null,
  };
}

/** A model of an API has that one engine, so `--engine` speaks of the self-hosted ones only. */
function engineFor(profile: Profile, engine: EstimateRequest['engine']): EngineName {
  const hosted = profile.engines.every((each) => each === 'api');
  if (engine === 'auto' || hosted) return defaultEngine(profile);
  if (profile.engines.includes(engine)) return engine;
  throw new MmdeployError('usage.invalid', `\`${profile.id}\` does not run on ${engine}`, {
    details: profile.notes === undefined ? [] : [profile.notes],
    hints: profile.engines.map(
      (each) => `\`mmdeploy estimate --model ${profile.id} --engine ${each}\``,
    ),
  });
}

function engineOfGguf(path: string, engine: EstimateRequest['engine']): EngineName {
  if (engine === 'auto' || engine === 'llama.cpp') return 'llama.cpp';
  throw new MmdeployError('usage.invalid', `a GGUF file runs on llama.cpp, not on ${engine}`, {
    hints: [`leave the engine out: \`mmdeploy estimate --model ${path}\``],
  });
}

function settingsOf(request: EstimateRequest): TokenSettings {
  const imageMinTokens = wholeNumber('image-min-tokens', request.imageMinTokens, 1);
  const imageMaxTokens = wholeNumber('image-max-tokens', request.imageMaxTokens, 1);
  if (imageMinTokens !== null && imageMaxTokens !== null && imageMinTokens > imageMaxTokens) {
    throw new MmdeployError(
      'usage.invalid',
      `--image-min-tokens ${imageMinTokens} exceeds --image-max-tokens ${imageMaxTokens}`,
      { hints: [`\`mmdeploy estimate --image-max-tokens ${imageMinTokens}\``] },
    );
  }
  const ubatch = wholeNumber('ubatch', request.ubatch, 1) ?? DEFAULT_UBATCH;
  const { detail, mediaResolution } = request;
  return { imageMinTokens, imageMaxTokens, ubatch, detail, mediaResolution };
}

function wholeNumber(flag: string, value: number | null, least = 0): number | null {
  if (value === null || (Number.isSafeInteger(value) && value >= least)) return value;
  throw new MmdeployError('usage.invalid', `--${flag} ${value}: not a whole number from ${least}`, {
    hints: [`as in \`mmdeploy estimate --${flag} 512\``],
  });
}
