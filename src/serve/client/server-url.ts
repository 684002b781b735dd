import { MmdeployError } from '../../errors.ts';

/**
 * The base of a chat server, as a person gives it: with or without `/v1`, with or without a slash at
 * the end. Throws `usage.invalid` for what is no http or https URL.
 */
export function serverUrl(
  given: string,
  asked = { flag: '--url', command: 'ask "what is this?"' },
): string {
  const url = parsed(given);
  if (url === null) {
    const withScheme = parsed(`http://${given.replace(/^[a-z]*:?\/\//i, '')}`);
    const meant = withScheme === null ? 'http://127.0.0.1:8080' : trimmed(withScheme);
    throw new MmdeployError('usage.invalid', `\`${asked.flag} ${given}\` is no http or https URL`, {
      hints: [`as in \`mmdeploy ${asked.command} ${asked.flag} ${meant}\``],
    });
  }
  return trimmed(url);
}

function parsed(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && /^https?:$/.test(url.protocol) && !/\s/.test(text) ? url : null;
}

function trimmed({ origin, pathname }: URL): string {
  return `${origin}${pathname}`.replace(/\/+$/, '').replace(/\/v1$/, '');
}
