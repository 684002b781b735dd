import type { Modality } from '../contracts/basis.ts';
import { COSTLIEST, MAX_UNASKED_ITEMS, dearer } from './tally.ts';
import type { Seen, TallyState } from './tally.ts';

export type MergeOptions = {
  /** Keep every row, however many. */
  readonly allItems: boolean;
};

/** The tally of all inputs from those of parts of them. */
export function mergeTallies(parts: readonly TallyState[], options: MergeOptions): TallyState {
  const total = (of: (part: TallyState) => number) =>
    parts.reduce((sum, part) => sum + of(part), 0);
  const modality = (name: Modality) => total(({ tokens }) => tokens[name]);
  const items = mergeItems(parts, options.allItems);
  return {
    tokens: {
      ...{ text: modality('text'), image: modality('image') },
      ...{ audio: modality('audio'), video: modality('video') },
    },
    wrapper: total(({ wrapper }) => wrapper),
    low: total(({ low }) => low),
    high: total(({ high }) => high),
    template: templatesOf(parts),
    requests: total(({ requests }) => requests),
    one: oneOf(parts.map(({ one }) => one)),
    long: {
      requests: total(({ long }) => long.requests),
      ...{ input: total(({ long }) => long.input), audio: total(({ long }) => long.audio) },
    },
    answers: {
      limited: total(({ answers }) => answers.limited),
      tokens: total(({ answers }) => answers.tokens),
      longTokens: total(({ answers }) => answers.longTokens),
      unlimited: total(({ answers }) => answers.unlimited),
    },
    ...{ taken: total(({ taken }) => taken), uncounted: total(({ uncounted }) => uncounted) },
    ...{ ranged: total(({ ranged }) => ranged), images: total(({ images }) => images) },
    imagesTaken: total(({ imagesTaken }) => imagesTaken),
    ...{ texts: total(({ texts }) => texts), heard: total(({ heard }) => heard) },
    ...{ turned: total(({ turned }) => turned), tooLong: total(({ tooLong }) => tooLong) },
    rules: firstOf(parts.flatMap(({ rules }) => rules)),
    needs: firstOf(parts.flatMap(({ needs }) => needs)),
    refusals: mergeRefusals(parts),
    costliest: parts
      .flatMap(({ costliest }) => costliest)
      .sort(dearer)
      .slice(0, COSTLIEST),
    items,
  };
}

function templatesOf(parts: readonly TallyState[]): number | null {
  if (parts.some(({ template }) => template === null)) return null;
  return parts.reduce((sum, { template }) => sum + (template ?? 0), 0);
}

/** One frame frame around all of it, as `ModelTally` has it for a request with these parts; each saw some. */
function oneOf(parts: readonly TallyState['one'][]): TallyState['one'] {
  const sumOf = (of: (part: TallyState['one']) => number) =>
    parts.reduce((sum, part) => sum + of(part), 0);
  const [requests, texts, heard] = [
    Math.min(
      1,
      sumOf((part) => part.requests),
    ),
    sumOf((part) => part.texts),
    sumOf((part) => part.heard),
  ];
  const known = parts.flatMap((part) => (part.texts > 0 ? (part.template ?? []) : []));
  const frame = heard > 0 || known.length === 0 ? null : Math.max(...known);
  return { requests, template: requests === 0 ? 0 : frame, texts, heard };
}

function mergeItems(parts: readonly TallyState[], all: boolean): TallyState['items'] {
  if (parts.some(({ items }) => items === null)) return null;
  const items = parts.flatMap(({ items }) => items ?? []).sort(byOrder);
  return all || items.length <= MAX_UNASKED_ITEMS ? items : null;
}

const byOrder = (one: { order: number }, other: { order: number }) => one.order - other.order;

function firstOf(seen: readonly Seen<string>[]): Seen<string>[] {
  const first = new Map<string, number>();
  for (const { value, order } of seen) {
    first.set(value, Math.min(order, first.get(value) ?? Infinity));
  }
  return [...first].map(([value, order]) => ({ value, order })).sort(byOrder);
}

function mergeRefusals(parts: readonly TallyState[]): TallyState['refusals'] {
  const all = parts.flatMap(({ refusals }) => refusals);
  return firstOf(all).map(({ value, order }) => ({
    ...{ value, order },
    count: all.reduce((sum, each) => sum + (each.value === value ? each.count : 0), 0),
  }));
}
