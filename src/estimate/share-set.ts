import type { EstimateShare } from '../contracts/estimate-share.ts';
import { MmdeployError } from '../errors.ts';

export type NamedShare = { readonly file: string; readonly share: EstimateShare };

const SHOWN = 20;

/**
 * Returns the first of shares that make a whole. Throws `input.invalid` for shares of different jobs, of
 * different lists, missing ones and doubled ones: a sum of those is no number of anything.
 */
export function checkShares(shares: readonly NamedShare[]): NamedShare {
  const [first, ...others] = shares;
  if (first === undefined) {
    throw new MmdeployError('usage.invalid', 'no shares to merge', {
      hints: ['give every share: `mmdeploy estimate merge part-*.json`'],
    });
  }
  const of = first.share.shard.of;
  for (const { file, share } of others) {
    if (share.shard.of !== of) {
      throw refused(`${file} is one of ${share.shard.of} shares, ${first.file} one of ${of}`);
    }
    if (share.digest !== first.share.digest) {
      throw refused(`${file} was counted with other settings, rules or prices than ${first.file}`);
    }
    if (share.counted.keys !== first.share.counted.keys) {
      throw refused(`${file} is of another list of inputs than ${first.file}`);
    }
  }
  refuseDoubled(shares);
  refuseMissing(shares, of);
  return first;
}

function refuseDoubled(shares: readonly NamedShare[]): void {
  const files = new Map<number, string>();
  for (const { file, share } of shares) {
    const { index, of } = share.shard;
    const before = files.get(index);
    if (before !== undefined) throw refused(`share ${index}/${of} comes twice: ${before}, ${file}`);
    files.set(index, file);
  }
}

function refuseMissing(shares: readonly NamedShare[], of: number): void {
  const found = new Set(shares.map(({ share }) => share.shard.index));
  const missing: number[] = [];
  for (let index = 0; index < of && missing.length <= SHOWN; index++) {
    if (!found.has(index)) missing.push(index);
  }
  if (missing.length === 0) return;
  const list = missing.slice(0, SHOWN).map((index) => `${index}/${of}`);
  const more = missing.length > SHOWN ? ' …' : '';
  throw refused(
    `${of - found.size} of ${of} shares are missing: ${list.join(', ')}${more}`,
    `count it: \`mmdeploy estimate … --shard ${missing[0]}/${of} -o json\``,
  );
}

function refused(message: string, hint?: string): MmdeployError {
  return new MmdeployError('input.invalid', message, {
    hints: [hint ?? 'merge the shares of one run: `mmdeploy estimate merge part-*.json`'],
  });
}
