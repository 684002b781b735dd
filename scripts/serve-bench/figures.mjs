// How figures are summed up and printed: each beside its target, nothing rounded into it.
import { median } from '../bench.mjs';

export { median };

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of the mean of `values`. */
export function standardError(values) {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
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
let part = '';

/** What follows belongs to this part of the bench. */
export function beginPart(title) {
  part = title;
}

/** A measured fact without a target. */
export function fact(name, text) {
  console.log(`  ${name.padEnd(46)} ${text}`);
  kept.push({ part, name, text });
}

/**
 * A figure beside its target: `limit` is what it may be at most (`most`) or must be at least (`least`).
 * `noise`: to within how much the value is known; what is no further from its target meets it.
 */
export function figure(name, value, { most, least, noise = 0, digits = 2, unit = '', note = '' }) {
  const met = most === undefined ? value >= least : value <= most + noise;
  const limit = most === undefined ? `at least ${least}${unit}` : `at most ${most}${unit}`;
  const target = noise === 0 ? limit : `${limit}, give or take ${noise.toFixed(digits)} of noise`;
  const shown = `${value.toFixed(digits)}${unit}`;
  const said = note === '' ? '' : `  ${note}`;
  console.log(
    `  ${name.padEnd(46)} ${shown.padEnd(10)} target: ${target}  ${met ? 'met' : 'MISSED'}${said}`,
  );
  kept.push({ part, name, value, shown, target, most, least, unit, met, note });
}

export function allFigures() {
  return kept;
}

/** All that was measured, as a page; `machine` says where. */
export function page(machine) {
  const parts = [...new Set(kept.map((each) => each.part))];
  const missed = kept.filter(({ met }) => met === false).length;
  const targets = kept.filter(({ met }) => met !== undefined).length;
  return [
    '# What `mmdeploy serve` costs and saves',
    '',
    'Written by `npm run bench:serve`: one run, llama-server bare and behind the gateway by turns, with the demo',
    'model and towers that make an encode take seconds. Times are of this machine; what carries over are the ratios.',
    '',
    `Machine: ${machine}. Targets met: ${targets - missed} of ${targets}.`,
    ...parts.flatMap((title) => [
      '',
      `## ${title[0].toUpperCase()}${title.slice(1)}`,
      '',
      '| | measured | target |',
      '| --- | --- | --- |',
      ...kept.filter((each) => each.part === title).map(row),
    ]),
    '',
  ].join('\n');
}

function row({ name, text, shown, target, met, note }) {
  if (text !== undefined) return `| ${name} | ${text} | |`;
  const said = note === '' ? '' : ` (${note})`;
  return `| **${name}** | **${shown}**${said} | ${target}: ${met ? 'met' : '**missed**'} |`;
}
