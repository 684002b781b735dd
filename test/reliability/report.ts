/** What one item of the reliability bar found: a line of the report, and whether it holds. */
export type Finding = {
  readonly what: string;
  readonly found: string;
  /** What has to hold, in words. */
  readonly bar: string;
  readonly holds: boolean;
};

export type Item = {
  readonly id: string;
  readonly title: string;
  readonly findings: readonly Finding[];
  /** Further lines below the table, Markdown. */
  readonly details?: readonly string[];
};

/** Nearest-rank percentile of milliseconds; `share` in (0, 1]. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

export function ms(value: number): string {
  return value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(0)} ms`;
}

/** The report as a Markdown document, the same for the same findings; `name` repeats the item. */
export function markdown(
  items: readonly (Item & { readonly name: string })[],
  head: readonly string[],
): string {
  const rows = items.flatMap(({ id, name, findings }) =>
    findings.map(
      ({ what, found, bar, holds }) =>
        `| ${id} | \`${name}\` | ${what} | ${found} | ${bar} | ${holds ? 'holds' : '**does not hold**'} |`,
    ),
  );
  const details = items.flatMap(({ title, details: lines }) =>
    lines === undefined || lines.length === 0 ? [] : ['', `## ${title}`, '', ...lines],
  );
  return [
    ...head,
    '',
    '| item | name | what was done | what happened | bar | |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    ...details,
    '',
  ].join('\n');
}
