import { EXIT_CODES, MmdeployError, messageOf } from '../errors.ts';

const ISSUE_URL = 'https://github.com/mmdeploy/mmdeploy/issues/new';

/** An error as the person sees it: what, then a blank line and the hints. */
export function errorText(error: unknown): string {
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
export function errorDocument(error: unknown): object {
  const known = error instanceof MmdeployError;
  return {
    error: {
      code: known ? error.code : 'bug',
      exitCode: known ? error.exitCode : EXIT_CODES.failure.code,
      message: messageOf(error),
      details: known ? error.details : [],
      hints: known ? error.hints : [`report it at ${ISSUE_URL}`],
    },
  };
}
