import { EXIT_CODES, MmdeployError, fileFault, messageOf } from '../errors.ts';

const ISSUE_URL = 'https://github.com/mmdeploy/mmdeploy/issues/new';

/** An error as the person sees it: what, then a blank line and the hints. */
export function errorText(thrown: unknown): string {
  const error = known(thrown);
  if (!(error instanceof MmdeployError)) {
    return [
      `error: ${messageOf(error)} (this is a bug in mmdeploy)`,
      '',
      'hint: run it again with `--debug` for the stack trace',
      `hint: report it at ${ISSUE_URL}`,
      '',
    ].join('\n');
  }
  const lines = [`error: ${error.message} (${error.code})`];
  lines.push(...error.details.map((line) => `  ${line}`));
  if (error.hints.length > 0) lines.push('', ...error.hints.map((hint) => `hint: ${hint}`));
  return `${lines.join('\n')}\n`;
}

/** The same error as the one JSON object that stderr gets in JSON mode. */
export function errorDocument(thrown: unknown): object {
  const error = known(thrown);
  const ours = error instanceof MmdeployError;
  return {
    error: {
      code: ours ? error.code : 'bug',
      exitCode: ours ? error.exitCode : EXIT_CODES.failure.code,
      message: messageOf(error),
      details: ours ? error.details : [],
      hints: ours ? error.hints : [`report it at ${ISSUE_URL}`],
    },
  };
}

const NOT_WRITABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR'];

/** A disk that refuses is the machine's failure, not a bug: the same exit code, with a way out. */
function known(thrown: unknown): unknown {
  const { code, path } = (thrown ?? {}) as NodeJS.ErrnoException;
  const refused = NOT_WRITABLE.includes(code ?? '');
  if (!(thrown instanceof Error) || !refused || path === undefined) return thrown;
  return new MmdeployError('system.refused', `${path}: ${fileFault(thrown)}`, {
    hints: [
      'caches, engines and logs go below XDG_CACHE_HOME, XDG_DATA_HOME and XDG_STATE_HOME: name folders that you may write to, as in `export XDG_CACHE_HOME=/tmp/mmdeploy-cache`',
    ],
    cause: thrown,
  });
}
