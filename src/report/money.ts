import type { ModelEstimate } from '../contracts/estimate.ts';

/** Cents from a dollar on; smaller sums to the millionth that they are counted in. */
export function usd(value: number): string {
  if (value >= 1) {
    return `$${value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  }
  return `$${value.toFixed(6).replace(/(\.\d\d\d*?)0+$/, '$1')}`;
}

/** A bill; what is less than can be counted is never shown as nothing. */
export function billText({ costUsd, tokens, price }: ModelEstimate): string {
  if (costUsd === null) return '-';
  const charged = (tokens.total ?? 0) > 0 && (price?.input ?? 0) > 0;
  return costUsd.total === 0 && charged ? 'less than $0.000001' : usd(costUsd.total);
}

/** Groups of three digits with a comma, in every locale. */
export function whole(value: number | null): string {
  return value === null ? 'unknown' : value.toLocaleString('en-US');
}
