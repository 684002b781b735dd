/** What a bill was held against: a part of the estimate document, left out where nothing was asked. */

/** One limit for one model. */
export type BudgetCheck = {
  readonly flag: '--max-tokens' | '--max-usd';
  readonly id: string;
  readonly engine: string;
  readonly limit: number;
  /** Null: not known, and so not within the limit. */
  readonly actual: number | null;
  readonly exceeded: boolean;
};

/** How one figure moved since the baseline. */
export type Growth = {
  readonly before: number | null;
  readonly after: number | null;
  /** In percent of `before`, two decimals; null where it cannot be said (unknown, or from nothing). */
  readonly growthPercent: number | null;
  readonly exceeded: boolean;
};

/** A model's figures, or the sums of all (`id` and `engine` are then `total`). */
export type BaselineRow = {
  readonly id: string;
  readonly engine: string;
  readonly tokens: Growth;
  /** Null where neither document has a bill. */
  readonly usd: Growth | null;
};

export type BaselineComparison = {
  readonly file: string;
  /** Null: compared, and nothing fails. */
  readonly maxGrowthPercent: number | null;
  readonly rows: readonly BaselineRow[];
};

/** One line of `--compare`, cheapest first. */
export type ComparisonRow = {
  readonly id: string;
  readonly engine: string;
  readonly tokens: number | null;
  readonly usd: number | null;
  /** Inputs that this one does not take: its figures are those of the others. */
  readonly uncounted: number;
  /** To the fewest tokens and to the lowest bill; null where unknown. */
  readonly tokensRatio: number | null;
  readonly usdRatio: number | null;
};

/** A change that was counted again and found to save tokens. */
export type Advice = {
  readonly kind:
    'trim-audio' | 'shrink-image' | 'detail-low' | 'image-max-tokens' | 'media-resolution';
  /** What to do, with the figures of one input. */
  readonly text: string;
  /** Inputs that it concerns. */
  readonly inputs: number;
  /** What it saves over all of them. */
  readonly savedTokens: number;
  /** Null where there is no price. */
  readonly savedUsd: number | null;
};
