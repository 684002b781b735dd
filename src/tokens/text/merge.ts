import { MergeQueue } from './merge-queue.ts';

/** Score of the token that two pieces make together; undefined where they make none. */
type ScoreOf = (left: string, right: string) => number | undefined;

const FEW = 40;

/**
 * Joins neighbouring pieces, the pair of the highest score first, of equal scores the leftmost, until no
 * two neighbours have one.
 */
export function joinPieces(characters: readonly string[], scoreOf: ScoreOf): string[] {
  return characters.length <= FEW
    ? joinFew([...characters], scoreOf)
    : joinMany(characters, scoreOf);
}

/** For a word: looking through all its pairs each time is quicker than keeping them in order. */
function joinFew(pieces: string[], scoreOf: ScoreOf): string[] {
  const score = (at: number) => {
    const [left, right] = [pieces[at], pieces[at + 1]];
    return left === undefined || right === undefined ? undefined : scoreOf(left, right);
  };
  const scores = pieces.map((_, at) => score(at));
  for (;;) {
    let best = -1;
    let highest: number | undefined;
    for (let at = 0; at < scores.length; at++) {
      const here = scores[at];
      if (here !== undefined && (highest === undefined || here > highest))
        [best, highest] = [at, here];
    }
    if (highest === undefined) return pieces;
    pieces.splice(best, 2, (pieces[best] ?? '') + (pieces[best + 1] ?? ''));
    scores.splice(best, 1);
    if (best > 0) scores[best - 1] = score(best - 1);
    scores[best] = score(best);
  }
}

function joinMany(characters: readonly string[], scoreOf: ScoreOf): string[] {
  const pieces: (string | null)[] = [...characters];
  const next = pieces.map((_, index) => (index + 1 < pieces.length ? index + 1 : -1));
  const previous = pieces.map((_, index) => index - 1);
  const queue = new MergeQueue();
  const propose = (left: number, right: number) => {
    const [head, tail] = [pieces[left] ?? '', pieces[right] ?? ''];
    const score = scoreOf(head, tail);
    if (score === undefined) return;
    queue.push({ score, left, right, length: head.length + tail.length });
  };
  for (let index = 1; index < pieces.length; index++) propose(index - 1, index);

  for (let merge = queue.pop(); merge !== undefined; merge = queue.pop()) {
    const { left, right, length } = merge;
    const [head, tail] = [pieces[left], pieces[right]];
    // One of them was joined to something else since this pair was proposed.
    if (typeof head !== 'string' || typeof tail !== 'string') continue;
    if (head.length + tail.length !== length) continue;
    pieces[left] = head + tail;
    pieces[right] = null;
    const after = next[right] ?? -1;
    const before = previous[left] ?? -1;
    next[left] = after;
    if (after >= 0) previous[after] = left;
    if (before >= 0) propose(before, left);
    if (after >= 0) propose(left, after);
  }
  return pieces.filter((piece) => piece !== null);
}
