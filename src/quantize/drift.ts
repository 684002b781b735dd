import type { DriftFigures } from '../contracts/quantize.ts';
import { sum } from '../units.ts';

/** A next-token distribution as far as it was told, and the token that was taken. */
type SeenTokens = {
  readonly chosen: number;
  /** Natural logarithms of probabilities over the whole vocabulary; null is a probability of zero. */
  readonly top: readonly { readonly id: number; readonly logprob: number | null }[];
};

/** The answer to one input: a distribution for each position. */
export type SeenAnswer = readonly SeenTokens[];

/** Distance of two distributions of which the most probable tokens are known. */
type Distance = {
  /** KL(source ‖ made), nats. Where not every token was seen, a lower bound: see `distance`. */
  readonly kl: number;
  readonly totalVariation: { readonly low: number; readonly high: number };
  readonly sameTop: boolean;
};

/** Smallest mass that the unseen rest of a distribution counts as: below is rounding of the logarithms. */
const LEAST_REST = 1e-9;

/**
 * How far `made` is from `source`. All tokens that one of the two lists lacks are put together into one
 * class. That can only lower KL divergence and total variation (data-processing inequality), so both are
 * lower bounds; the upper bound of the total variation takes the two rests to share no token. With
 * `complete` lists there is no rest, and the figures are exact.
 */
export function distance(source: SeenTokens, made: SeenTokens, complete: boolean): Distance {
  const other = new Map(made.top.map(({ id, logprob }) => [id, logprob]));
  const common = source.top.flatMap(({ id, logprob }) => {
    const found = other.get(id);
    return found === undefined ? [] : [{ logP: logprob, logQ: found }];
  });
  const p = common.map(({ logP }) => probability(logP));
  const q = common.map(({ logQ }) => probability(logQ));
  const restOf = (seen: readonly number[]) =>
    complete ? 0 : Math.max(LEAST_REST, 1 - Math.min(1, sum(seen)));
  const [restP, restQ] = [restOf(p), restOf(q)];
  const terms = common.map(({ logP, logQ }, at) => divergence(p[at] ?? 0, logP, logQ));
  const rest = complete ? 0 : restP * Math.log(restP / restQ);
  const apart = sum(p.map((value, at) => Math.abs(value - (q[at] ?? 0))));
  return {
    kl: Math.max(0, sum(terms) + rest),
    totalVariation: {
      low: Math.min(1, (apart + Math.abs(restP - restQ)) / 2),
      high: Math.min(1, (apart + restP + restQ) / 2),
    },
    sameTop: topOf(source) === topOf(made),
  };
}

function probability(logprob: number | null): number {
  return logprob === null ? 0 : Math.exp(logprob);
}

/** A token that the made file makes impossible would be infinitely far: it counts as the least float. */
function divergence(p: number, logP: number | null, logQ: number | null): number {
  if (p === 0 || logP === null) return 0;
  return p * (logP - (logQ ?? Math.log(Number.MIN_VALUE)));
}

function topOf({ top }: SeenTokens): number | undefined {
  return top[0]?.id;
}

/**
 * Drift of one answer against that of the source. Positions are compared up to and with the first at
 * which the two take another token: beyond it they answer different texts. `asked` is how many tokens
 * were asked for: a list that is shorter is the whole vocabulary.
 */
export function answerDrift(source: SeenAnswer, made: SeenAnswer, asked: number): DriftFigures {
  const pairs: [SeenTokens, SeenTokens][] = [];
  for (const [at, here] of source.entries()) {
    const there = made[at];
    if (there === undefined) break;
    pairs.push([here, there]);
    if (here.chosen !== there.chosen) break;
  }
  const complete = pairs.every(([a, b]) => a.top.length < asked && b.top.length === a.top.length);
  const found = pairs.map(([a, b]) => distance(a, b, complete));
  return {
    positions: found.length,
    sameTop: found.filter(({ sameTop }) => sameTop).length,
    klDivergence: {
      mean: found.length === 0 ? 0 : sum(found.map(({ kl }) => kl)) / found.length,
      max: largest(found.map(({ kl }) => kl)),
    },
    totalVariation: {
      low: largest(found.map(({ totalVariation }) => totalVariation.low)),
      high: largest(found.map(({ totalVariation }) => totalVariation.high)),
    },
    bound: !complete,
  };
}

/** Several answers together: each position counts alike. */
export function totalDrift(answers: readonly DriftFigures[]): DriftFigures {
  const positions = sum(answers.map((answer) => answer.positions));
  const weighted = sum(answers.map((answer) => answer.klDivergence.mean * answer.positions));
  return {
    positions,
    sameTop: sum(answers.map(({ sameTop }) => sameTop)),
    klDivergence: {
      mean: positions === 0 ? 0 : weighted / positions,
      max: largest(answers.map(({ klDivergence }) => klDivergence.max)),
    },
    totalVariation: {
      low: largest(answers.map(({ totalVariation }) => totalVariation.low)),
      high: largest(answers.map(({ totalVariation }) => totalVariation.high)),
    },
    bound: answers.some(({ bound }) => bound),
  };
}

function largest(values: readonly number[]): number {
  return Math.max(0, ...values);
}
