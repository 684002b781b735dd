/** What one reader said about one file. */
export type Checked = {
  /** Who read it, with its version: `docker-compose 2.40.3-3 config`. */
  readonly validator: string;
  readonly ok: boolean;
  /** What is wrong with the file, in the reader's own words. */
  readonly findings: readonly string[];
  /** What is not as the file wants it on this machine, and says nothing about the file. */
  readonly notes: readonly string[];
};

/** The reader is not on this machine. */
export type Skipped = { readonly validator: string; readonly skipped: string };

export type Report = Checked | Skipped;

export function checked(
  validator: string,
  findings: readonly string[],
  notes: readonly string[] = [],
): Checked {
  return { validator, ok: findings.length === 0, findings, notes };
}

export function wasSkipped(report: Report): report is Skipped {
  return 'skipped' in report;
}
