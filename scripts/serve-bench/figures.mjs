// How figures are summed up and printed: each beside its target, nothing rounded into it.
import { median } from '../bench.mjs';

export { median };

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Nearest-rank percentile; `share` in (0, 1]. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** `p50 12 p95 30 p99 41 ms`. */
export function percentiles(values, digits = 0) {
  const at = (share) => percentile(values, share).toFixed(digits);
  return `p50 ${at(0.5)}  p95 ${at(0.95)}  p99 ${at(0.99)} ms (n = ${values.length})`;
}

const kept = [];

/** A measured fact without a target. */
export function fact(name, text) {
  console.log(`  ${name.padEnd(46)} ${text}`);
  kept.push({ name, text });
}

/** A figure beside its target: `limit` is what it may be at most (`most`) or must be at least (`least`). */
export function figure(name, value, { most, least, digits = 2, unit = '', note = '' }) {
  const met = most === undefined ? value >= least : value <= most;
  const target = most === undefined ? `at least ${least}${unit}` : `at most ${most}${unit}`;
  const shown = `${value.toFixed(digits)}${unit}`;
  const said = note === '' ? '' : `  ${note}`;
  console.log(
    `  ${name.padEnd(46)} ${shown.padEnd(10)} target: ${target}  ${met ? 'met' : 'MISSED'}${said}`,
  );
  kept.push({ name, value, most, least, unit, met });
}

export function allFigures() {
  return kept;
}
