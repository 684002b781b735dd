/**
 * The one error class and the one table of exit codes. A user's mistake, a missing file or an engine
 * that would not start is a `MmdeployError`; anything else that is thrown is a bug of ours.
 */

/** Exit codes that scripts rely on; `mmdeploy help exit-codes` prints this table. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: 'done; also a survey in which some models do not fit' },
  failure: { code: 1, meaning: 'unexpected error: a bug of ours, or of the machine' },
  usage: { code: 2, meaning: 'bad flag, malformed input or profile, unknown model' },
  'no-fit': { code: 3, meaning: 'a model asked for by name fits in no allowed configuration' },
  'over-budget': { code: 4, meaning: 'a budget given to estimate was exceeded' },
  missing: { code: 5, meaning: 'a needed file or program is absent' },
  engine: { code: 6, meaning: 'the engine would not start, or used up its restarts' },
  incomplete: { code: 7, meaning: 'estimate --strict, and some inputs could not be read' },
  drift: { code: 8, meaning: 'written files no longer match the plan' },
  interrupted: { code: 130, meaning: 'Ctrl-C before the work was done' },
} as const;

type ExitName = keyof typeof EXIT_CODES;

/** Dotted code of each error, with the exit code it leads to. */
const ERROR_EXITS = {
  'usage.invalid': 'usage',
  'usage.unknown-model': 'usage',
  'usage.unknown-gpu': 'usage',
  'usage.unknown-quant': 'usage',
  'usage.not-yet': 'usage',
  'input.invalid': 'usage',
  'profile.invalid': 'usage',
  'machine.invalid': 'usage',
  'plan.invalid': 'usage',
  'gguf.invalid': 'usage',
  'gguf.truncated': 'usage',
  'gguf.unsupported': 'usage',
  'model.mismatch': 'usage',
  'file.missing': 'missing',
  'file.unreadable': 'missing',
  'engine.not-found': 'missing',
  'tool.missing': 'missing',
  'fit.none': 'no-fit',
  'budget.exceeded': 'over-budget',
  'engine.start': 'engine',
  'engine.crashed': 'engine',
  'engine.too-old': 'engine',
  'engine.no-gpu': 'engine',
  'engine.install': 'engine',
  'engine.download': 'engine',
  'request.failed': 'failure',
  'demo.mismatch': 'failure',
  'selftest.failed': 'failure',
  'process.failed': 'failure',
  'system.refused': 'failure',
  interrupted: 'interrupted',
  'input.incomplete': 'incomplete',
  'deployment.exists': 'usage',
  'deployment.invalid': 'failure',
} as const satisfies Record<string, ExitName>;

export type ErrorCode = keyof typeof ERROR_EXITS;

export type ErrorOptions = {
  /** Pasteable next steps, each a sentence with the command in backticks. */
  readonly hints?: readonly string[];
  /** Further lines for the person who reads: a log's tail, a list of near names. */
  readonly details?: readonly string[];
  readonly cause?: unknown;
};

/** An expected failure: `message` says what, with which value and where; `hints` what to do next. */
export class MmdeployError extends Error {
  readonly code: ErrorCode;
  readonly hints: readonly string[];
  readonly details: readonly string[];

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MmdeployError';
    this.code = code;
    this.hints = options.hints ?? [];
    this.details = options.details ?? [];
  }

  get exitCode(): number {
    return EXIT_CODES[ERROR_EXITS[this.code]].code;
  }
}

const FILE_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'a file stands where a folder is needed',
  EISDIR: 'it is a folder',
  EEXIST: 'it is there already',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
};

/** Why a file cannot be read or written, in words; the system's own where there are none for it. */
export function fileFault(error: unknown): string {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return FILE_FAULTS[code ?? ''] ?? messageOf(error);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * The `limit` names nearest to `typed` by edit distance, nearest first, for "did you mean".
 * Names further away than half their own length are left out, unless they contain what was typed.
 */
export function nearest(typed: string, names: readonly string[], limit = 3): string[] {
  const wanted = typed.toLowerCase();
  if (wanted === '') return [];
  return names
    .map((name) => {
      const candidate = name.toLowerCase();
      const contains = candidate.includes(wanted) || wanted.includes(candidate);
      if (withoutMarks(wanted) === withoutMarks(candidate)) return { name, distance: 0 };
      return { name, distance: contains ? 0.5 : editDistance(wanted, candidate) };
    })
    .filter(({ name, distance }) => distance <= Math.max(2, name.length / 2))
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, limit)
    .map(({ name }) => name);
}

/** `Q4KM` is `Q4_K_M`. */
function withoutMarks(text: string): string {
  return text.replace(/[\s._-]+/g, '');
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
