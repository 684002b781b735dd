import type { MediaTokens, PreparedMedia } from '../../seams.ts';

/** A medium whose count is known, to stand where another one stood. */
type Reference = { readonly url: string; readonly tokens: MediaTokens };

export type References = Readonly<Record<'image' | 'audio', Reference | null>>;

/** A film is compared with a picture: both split the words where they stand. */
export function referenceKind(kind: PreparedMedia['kind']): keyof References {
  return kind === 'audio' ? 'audio' : 'image';
}

type Counted = Pick<PreparedMedia, 'kind' | 'tokens'>;

/**
 * By how many tokens the engine's count should fall when each medium is replaced by its reference;
 * null where the model has no rule for one of them.
 */
export function expectedDifference(
  media: readonly Counted[],
  references: References,
): number | null {
  let sum = 0;
  for (const { kind, tokens } of media) {
    const reference = references[referenceKind(kind)];
    if (tokens === null || reference === null) return null;
    sum += total(tokens) - total(reference.tokens);
  }
  return sum;
}

export type Verdict =
  | { readonly kind: 'seen' }
  /** Not what an inexact rule says, but of its magnitude: worth a line in the log. */
  | { readonly kind: 'odd'; readonly message: string }
  | { readonly kind: 'lost'; readonly message: string };

/**
 * Whether the engine has seen `media`. `difference` is what `expectedDifference` told, `actual` what
 * the engine says. Without a rule (`difference` null) the request was compared with one without media:
 * each medium costs a token at least. A rule that is not `exact` may be off by half.
 */
export function judge(
  media: readonly Counted[],
  difference: number | null,
  actual: number,
): Verdict {
  if (difference === null) {
    if (actual >= media.length) return { kind: 'seen' };
    return {
      kind: 'lost',
      message: `the engine counts ${actual} tokens for ${media.length} media: it has not seen all of them`,
    };
  }
  if (actual === difference) return { kind: 'seen' };
  const expected = media.reduce(
    (sum, { tokens }) => sum + (tokens === null ? 0 : total(tokens)),
    0,
  );
  const counted = expected + actual - difference;
  const numbers = `the engine counts ${counted} tokens for the media of this request, expected are ${expected}`;
  const exact = media.every(({ tokens }) => tokens?.confidence === 'exact');
  if (!exact && counted >= expected / 2 && counted <= expected * 2) {
    return { kind: 'odd', message: numbers };
  }
  return { kind: 'lost', message: `${numbers}: it has not seen what was sent` };
}

/**
 * Whether an answer was about `media`, by the tokens of the prompt that the engine says it has read.
 * `text` is what is written in it beside them; null where that cannot be counted: it is then known only
 * how many there are at least. Text is counted apart from the media here, so that an exact rule may be
 * missed by less than half of the smallest medium: one that was lost is more.
 */
export function judgeAnswer(
  media: readonly Counted[],
  text: number | null,
  prompt: number,
): Verdict {
  if (text === null) {
    const least = media.reduce((sum, each) => sum + leastTokens(each), 0);
    if (prompt >= least) {
      const message = `the engine read ${prompt} tokens, at least ${least} are media: what is written cannot be counted`;
      return { kind: 'odd', message };
    }
    const message = `the engine read ${prompt} tokens, its media alone are ${least}: it has not seen what was sent`;
    return { kind: 'lost', message };
  }
  const tokens = media.map((each) => (each.tokens === null ? null : total(each.tokens)));
  const known = tokens.filter((each) => each !== null);
  if (known.length < tokens.length) return judge(media, null, prompt - text);
  const expected = known.reduce((sum, each) => sum + each, 0);
  const verdict = judge(media, expected, prompt - text);
  const isNear = Math.abs(prompt - text - expected) < Math.min(...known) / 2;
  return verdict.kind === 'lost' && isNear ? { ...verdict, kind: 'odd' } : verdict;
}

function leastTokens({ tokens }: Counted): number {
  if (tokens === null) return 1;
  return tokens.confidence === 'exact' ? total(tokens) : total(tokens) / 2;
}

function total({ media, wrapper }: MediaTokens): number {
  return media + wrapper;
}
