import type { Deployment } from '../types.ts';
import { releaseName } from './engine-flags.ts';
import { commentText } from './quote.ts';

/** The head of every file, a line each, without a comment's sign: who made it, from what, with which command. */
export function headerLines(deployment: Deployment): readonly string[] {
  const { origin, plan } = deployment;
  return [
    `${plan.model.name}: made by ${origin.version} with`,
    `  ${origin.command}`,
    `from the plan ${origin.planDigest}, for ${releaseName(deployment)}`,
    'Changes by hand are kept until it is written anew; `mmdeploy check` shows them.',
  ].map(commentText);
}

/** The head as lines of comments that begin with `sign`. */
export function headerComment(deployment: Deployment, sign = '#'): string {
  return headerLines(deployment)
    .map((line) => `${sign} ${line}\n`)
    .join('');
}
