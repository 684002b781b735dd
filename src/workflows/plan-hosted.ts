import type { EstimateInput } from '../contracts/estimate.ts';
import type { ModelDescription } from '../contracts/model.ts';
import type { Candidate } from '../contracts/plan.ts';
import { countInputs } from '../estimate/count.ts';
import { describedInput } from '../estimate/describe-input.ts';
import { totalOf } from '../estimate/totals.ts';
import { priceWarnings } from '../estimate/price-warnings.ts';
import type { Workload } from '../match/types.ts';
import { apiCandidate } from '../plan/build.ts';
import type { ApiPrice } from '../profiles/price-schema.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../tokens/settings.ts';

type HostedRequest = NonNullable<Candidate['request']>;

/** The plan of a model at its vendor: no memory, and what one request of the workload costs. */
export function hostedCandidate(
  model: ModelDescription,
  workload: Workload | null,
  price: ApiPrice | null,
  now: Date,
): Candidate {
  const plain = apiCandidate(model);
  const limits = limitsOf(model);
  const candidate = { ...plain, reasons: [...plain.reasons, ...limits] };
  if (workload === null) return candidate;
  const counted = { id: model.id, engine: 'api', description: model } as const;
  const bare = { ...counted, vocabulary: null, chatTemplate: null };
  const inputs = countInputs(inputsOf(workload), bare, DEFAULT_TOKEN_SETTINGS);
  const { outputTokens } = workload;
  const total = totalOf(bare, inputs, { price, outputTokens, items: true });
  const left = inputs.flatMap(({ refused }) => (refused === null ? [] : [refused]));
  const whole = left.length === 0;
  const inputTokens = whole ? total.tokens.total : null;
  const request: HostedRequest = {
    inputTokens,
    outputTokens,
    range: whole ? total.range : null,
    costUsd: whole ? total.costUsd : null,
    priceAsOf: total.priceAsOf,
  };
  return {
    ...candidate,
    reasons: [...candidate.reasons, requestLine(request)],
    warnings: [
      ...left.map((why) => `the request is not counted: ${why}`),
      ...tooLong(model, request),
      ...priceWarnings(bare, price, { now, asOf: null, inputTokens }),
    ],
    request,
  };
}

function inputsOf({ images, audio, video, textTokens }: Workload): EstimateInput[] {
  return [
    ...(images === null ? [] : [describedInput('image', images)]),
    ...(audio === null ? [] : [describedInput('audio', audio)]),
    ...(video === null ? [] : [describedInput('video', video)]),
    ...(textTokens === 0 ? [] : [describedInput('text', { count: 1, textTokens })]),
  ];
}

function limitsOf({ hosted }: ModelDescription): string[] {
  const { contextTokens = null, outputTokens = null } = hosted ?? {};
  const parts = [
    ...(contextTokens === null ? [] : [`${contextTokens} tokens of context`]),
    ...(outputTokens === null ? [] : [`answers of up to ${outputTokens}`]),
  ];
  return parts.length === 0 ? [] : [`it takes ${parts.join(', ')}`];
}

function requestLine({
  inputTokens,
  outputTokens,
  range,
  costUsd,
  priceAsOf,
}: HostedRequest): string {
  const sized = range !== null && range.low !== range.high;
  const bounds = sized ? ` (${range.low} to ${range.high})` : '';
  const tokens = `${inputTokens ?? 'an unknown number of'} tokens in${bounds}, ${outputTokens} out`;
  const cost =
    costUsd === null
      ? 'at no known cost'
      : `$${costUsd.total.toFixed(6)} at the price of ${priceAsOf ?? 'an unknown day'}`;
  return `one request of the workload: ${tokens}, ${cost}`;
}

function tooLong(
  { id, hosted }: ModelDescription,
  { inputTokens, outputTokens }: HostedRequest,
): string[] {
  const context = hosted?.contextTokens ?? Number.POSITIVE_INFINITY;
  const answer = hosted?.outputTokens ?? Number.POSITIVE_INFINITY;
  return [
    ...((inputTokens ?? 0) + outputTokens > context
      ? [`the request is longer than the ${context} tokens that ${id} takes`]
      : []),
    ...(outputTokens > answer
      ? [`${id} answers with ${answer} tokens at most, not with ${outputTokens}`]
      : []),
  ];
}
