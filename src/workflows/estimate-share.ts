import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Estimate } from '../contracts/estimate.ts';
import type { EstimateShare } from '../contracts/estimate-share.ts';
import { ESTIMATE_SHARE_SCHEMA, estimateShareSchema } from '../contracts/estimate-share.ts';
import { MmdeployError, messageOf } from '../errors.ts';
import { mergeDedupe } from '../estimate/dedupe.ts';
import { mergeInputs } from '../estimate/inputs-tally.ts';
import { checkShares } from '../estimate/share-set.ts';
import type { NamedShare } from '../estimate/share-set.ts';
import type { Shard } from '../estimate/shard.ts';
import { templateCounter } from '../estimate/template-tokens.ts';
import { mergeTallies } from '../estimate/merge-tallies.ts';
import type { Context } from './context.ts';
import type { EstimateRequest } from './estimate-request.ts';
import { NOTHING_ASKED } from './estimate-request.ts';
import type { Counted } from './estimate-run.ts';
import type { Prepared } from './estimate.ts';
import { count, documentOf, prepare, refuseNothing } from './estimate.ts';

/** Of mmdeploy itself: shares that different versions counted are not added up. */
export type ShareOptions = { readonly version: string };

export type ShareRequest = EstimateRequest & { readonly shard: Shard };

/**
 * Counts one share of the inputs (`--shard`). Money is left to `mergeWorkflow`. Throws `usage.invalid`
 * where all inputs are one request of a model whose chat template has to see all of it.
 */
export async function shareWorkflow(
  request: ShareRequest,
  { version }: ShareOptions,
  ctx: Context,
): Promise<EstimateShare> {
  return shareOf(request, await prepare(request, ctx), { version }, ctx);
}

/** The same with models and prices at hand. */
export async function shareOf(
  request: ShareRequest,
  prepared: Prepared,
  { version }: ShareOptions,
  ctx: Context,
): Promise<EstimateShare> {
  if ((request.exact ?? null) !== null) {
    throw new MmdeployError('usage.invalid', '`--exact` asks about all inputs, not about a share', {
      hints: ['count the share without it: `mmdeploy estimate … --shard 0/4 -o json`'],
    });
  }
  const templated = prepared.models.find((model) => templateCounter(model).kind === 'joint');
  if (request.requests === 'one' && templated !== undefined) {
    throw new MmdeployError(
      'usage.invalid',
      `the chat template of ${templated.id} needs all inputs of a request on one machine`,
      { hints: ['say what makes a request: `mmdeploy estimate --shard … --requests per-file`'] },
    );
  }
  // What is asked of the sums is asked of the whole: `estimate merge` takes those flags.
  const leftOut = ['shard', 'checks', 'strict'];
  const asked = Object.fromEntries(
    Object.entries(request).filter(([name]) => !leftOut.includes(name)),
  );
  return {
    schema: ESTIMATE_SHARE_SCHEMA,
    shard: request.shard,
    digest: digestOf(asked, prepared, version),
    request: asked,
    counted: plain(await count(request, prepared, ctx)),
  };
}

/**
 * The document of all shares: just what one machine would have made of all inputs. Throws `input.invalid`
 * for a share that is missing, given twice, or of another job; `file.missing` for a file that is not there.
 */
export async function mergeWorkflow(
  files: readonly string[],
  { version }: ShareOptions,
  ctx: Context,
): Promise<{ request: EstimateRequest; estimate: Estimate }> {
  const shares = await Promise.all(files.map((file) => readShare(file, ctx.cwd)));
  const { share, file } = checkShares(shares);
  const request = { ...NOTHING_ASKED, ...share.request, shard: null } as EstimateRequest;
  const prepared = await prepare(request, ctx);
  if (digestOf(share.request, prepared, version) !== share.digest) {
    throw new MmdeployError(
      'input.invalid',
      `${file}: counted with other rules or prices than these`,
      {
        hints: [
          'merge with the mmdeploy, engine, `--profiles` and model files that counted the shares: `mmdeploy --version`',
        ],
      },
    );
  }
  const counted = mergeCounted(
    shares.map((each) => each.share.counted),
    request,
  );
  refuseNothing(request, counted);
  return { request, estimate: documentOf(request, prepared, counted, ctx.now()) };
}

function mergeCounted(parts: readonly Counted[], { items }: EstimateRequest): Counted {
  const models = parts[0]?.tallies.length ?? 0;
  const tallies = Array.from({ length: models }, (_, at) => {
    const own = parts.flatMap(({ tallies: each }) => each[at] ?? []);
    return mergeTallies(own, { allItems: items });
  });
  const dedupe = parts.flatMap((part) => part.dedupe ?? []);
  return {
    inputs: mergeInputs(parts.map(({ inputs }) => inputs)),
    tallies,
    dedupe: dedupe.length === 0 ? null : mergeDedupe(dedupe),
    keys: parts[0]?.keys ?? '',
  };
}

async function readShare(file: string, cwd: string): Promise<NamedShare> {
  let text: string;
  try {
    text = await readFile(resolve(cwd, file), 'utf8');
  } catch (error) {
    throw new MmdeployError('file.missing', `${file}: cannot be read: ${messageOf(error)}`, {
      hints: ['give every share: `mmdeploy estimate merge part-*.json`'],
      cause: error,
    });
  }
  const hints = ['a share is what `mmdeploy estimate … --shard 0/4 -o json > part-0.json` writes'];
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new MmdeployError('input.invalid', `${file}: not JSON: ${messageOf(error)}`, { hints });
  }
  const parsed = estimateShareSchema.safeParse(document);
  if (parsed.success) return { file, share: parsed.data };
  const details = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new MmdeployError('input.invalid', `${file}: not a share of an estimate`, {
    hints,
    details: details.slice(0, 5),
  });
}

/** As it is after a way through JSON, where an absent field and an undefined one are the same. */
function plain(counted: Counted): EstimateShare['counted'] {
  return JSON.parse(JSON.stringify(counted)) as EstimateShare['counted'];
}

function digestOf(
  request: Readonly<Record<string, unknown>>,
  { models, prices }: Prepared,
  version: string,
): string {
  const rules = models.map(({ id, engine, description, chatTemplate, vocabulary }) => {
    const { imageTokens, audioTokens, hosted, text } = description;
    return {
      id,
      engine,
      imageTokens,
      audioTokens,
      hosted,
      context: text?.contextMax,
      chatTemplate,
      // The installed engine may count text, and each machine has its own.
      text: vocabulary === null ? null : [vocabulary.source, vocabulary.confidence],
    };
  });
  const all = JSON.stringify([version, request, rules, prices]);
  return createHash('sha256').update(all).digest('hex');
}
