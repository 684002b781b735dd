import type { PrefixPiece, Tenant } from '../seams.ts';

/** Weight of the newest measurement: three quarters of the figure are of the last five. */
const NEWEST = 0.25;
/** Until something was measured: about a small model on a GPU. */
const FIRST_ENCODE_MS_PER_TOKEN = 1;
const FIRST_TURN_MS = 1000;
const LONGEST_RETRY_SECONDS = 600;

/** What requests took in this life of the engine, from which is predicted what the next ones take. */
export type Rates = {
  /** Milliseconds of encoding for each token of media, with what words stand before it; null: none yet. */
  readonly encodeMsPerToken: number | null;
  /** From the moment a request has its slot to its end; null: none yet. */
  readonly turnMs: number | null;
  /** Of a slot file; null: none yet. */
  readonly bytesPerToken: number | null;
  readonly saveMsPerByte: number | null;
};

export const NO_RATES: Rates = {
  encodeMsPerToken: null,
  turnMs: null,
  bytesPerToken: null,
  saveMsPerByte: null,
};

/** `rates` with one more measurement of one of them. */
export function measured(rates: Rates, what: keyof Rates, value: number): Rates {
  const before = rates[what];
  const after = before === null ? value : before + NEWEST * (value - before);
  return { ...rates, [what]: after };
}

export function encodeMs(rates: Rates, mediaTokens: number): number {
  return mediaTokens * (rates.encodeMsPerToken ?? FIRST_ENCODE_MS_PER_TOKEN);
}

export function turnMs(rates: Rates): number {
  return rates.turnMs ?? FIRST_TURN_MS;
}

export type Backlog = {
  /** Still to be encoded, each medium once; the one that is being encoded counts in full. */
  readonly mediaTokens: number;
  /** Waiting and running. */
  readonly turns: number;
  readonly slots: number;
};

/** Tokens of the media that are neither in a slot nor in a file, each beginning of a prompt once. */
export function tokensToEncode(
  waiting: readonly { readonly tenant: Tenant; readonly prefix: readonly PrefixPiece[] }[],
  slots: readonly (readonly PrefixPiece[])[],
  hasFile: (tenant: Tenant, digest: string) => boolean,
): number {
  const known = new Set(slots.flatMap((content) => content.map(({ digest }) => digest)));
  let sum = 0;
  for (const { tenant, prefix } of waiting) {
    for (const { digest, kind, tokens } of prefix) {
      if (kind !== 'media' || known.has(digest)) continue;
      known.add(digest);
      if (!hasFile(tenant, digest)) sum += tokens;
    }
  }
  return sum;
}

/**
 * Whole seconds until what is waiting now is worked off: encodes one after another (nothing else moves
 * meanwhile), then turns on all slots side by side. At least 1, at most 10 minutes.
 */
export function retryAfterSeconds(rates: Rates, { mediaTokens, turns, slots }: Backlog): number {
  const ms = encodeMs(rates, mediaTokens) + (turns * turnMs(rates)) / Math.max(1, slots);
  return Math.min(LONGEST_RETRY_SECONDS, Math.max(1, Math.ceil(ms / 1000)));
}
