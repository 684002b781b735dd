import { MmdeployError } from '../../errors.ts';

/**
 * The web pages that may ask from a browser: `https://app.example` …, or `*` for all. None by default:
 * any page a user opens could then ask the server on their machine.
 */
export type CorsOrigins = readonly string[];

/** How long a browser may keep the answer to a preflight, in seconds. */
const PREFLIGHT_AGE = 600;

/** Response headers that a page's script may read beyond those it always may. */
const EXPOSED = [
  ...['x-request-id', 'retry-after', 'x-mmdeploy-image', 'x-mmdeploy-audio'],
  ...['x-mmdeploy-image-order', 'x-mmdeploy-dropped-fields'],
].join(', ');

/** Parses `--cors-origin`; throws `usage.invalid` for what is no origin. */
export function corsOrigins(text: string): CorsOrigins {
  return text.split(',').map((part) => {
    const origin = part.trim();
    if (origin === '*' || isOrigin(origin)) return origin;
    throw new MmdeployError('usage.invalid', `\`--cors-origin ${origin}\` is no origin`, {
      hints: [
        'a scheme, a host and perhaps a port: `mmdeploy serve … --cors-origin https://app.example:8443`',
      ],
    });
  });
}

/**
 * Throws `usage.invalid` for `*` without keys. With keys a page needs one of them, and cookies play no
 * part here; without keys every page in the world could use the server of whoever opens it.
 */
export function requireKeysForAll(origins: CorsOrigins, hasKeys: boolean): void {
  if (!origins.includes('*') || hasKeys) return;
  throw new MmdeployError('usage.invalid', '`--cors-origin *` without keys lets every page in', {
    hints: [
      'name the pages: `mmdeploy serve … --cors-origin https://app.example`',
      'or ask for keys: `mmdeploy serve … --cors-origin "*" --api-key-file FILE`',
    ],
  });
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text && /^https?:/.test(text);
}

type Asked = {
  readonly origin?: string | undefined;
  readonly 'access-control-request-headers'?: string | undefined;
};

/** Headers of every answer to a page of `origins`; none for all others, so that browsers keep it back. */
export function corsHeaders(
  origins: CorsOrigins,
  { origin }: Asked,
): Readonly<Record<string, string>> {
  if (origins.length === 0) return {};
  const vary = { vary: 'Origin' };
  if (origin === undefined || !(origins.includes(origin) || origins.includes('*'))) return vary;
  return {
    ...vary,
    'access-control-allow-origin': origin,
    'access-control-expose-headers': EXPOSED,
  };
}

/** What the answer to a preflight says beyond `corsHeaders`: client libraries send headers of their own. */
export function preflightHeaders(asked: Asked): Readonly<Record<string, string>> {
  return {
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers':
      asked['access-control-request-headers'] ?? 'authorization, content-type, x-api-key',
    'access-control-max-age': String(PREFLIGHT_AGE),
  };
}
