import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isIP } from 'node:net';
import type { Dispatcher } from 'undici';
import { messageOf } from '../../errors.ts';
import type { LookupAll } from '../../process/public-address.ts';
import {
  PrivateAddressError,
  isPublicAddress,
  publicLookup,
} from '../../process/public-address.ts';
import { GatewayError } from '../gateway/errors.ts';
import { overLimit, refused } from './limits.ts';

/** Files of addresses that clients name. */
export type RemoteMedia = {
  /** The whole file. Throws 400 for what may not be fetched, 413, 502 and 504. */
  readonly fetch: (place: string, url: string, signal: AbortSignal) => Promise<Buffer>;
  readonly close: () => Promise<void>;
};

export type RemoteMediaOptions = {
  /** `--allow-remote-media`: names in lower case, each exactly as it has to stand in the address. */
  readonly hosts: ReadonlySet<string>;
  readonly maxBytes: number;
  readonly deadlineMs?: number;
  readonly lookupAll?: LookupAll;
  /** Connects by the look-up that it is given, and by no other. */
  readonly dispatcher?: (lookup: LookupFunction) => Dispatcher;
};

const DEADLINE_MS = 10_000;
const MAX_REDIRECTS = 3;
const REDIRECTS = [301, 302, 303, 307, 308];
const CONNECTIONS = 8;

/**
 * Fetches only from the hosts that the operator has named, at each hop; the address that a name resolves
 * to is checked by the connection itself, so a name that changes its address gains nothing, and a private
 * one is refused even for a host on the list. Proxies of the environment are not used: they would resolve
 * names themselves.
 */
export async function createRemoteMedia(options: RemoteMediaOptions): Promise<RemoteMedia> {
  const { Agent } = await import('undici');
  const checked = publicLookup(options.lookupAll ?? lookup);
  const open = (lookupPublic: LookupFunction) =>
    new Agent({ connections: CONNECTIONS, connect: { lookup: lookupPublic } });
  const dispatcher = (options.dispatcher ?? open)(checked);
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  return {
    fetch: async (place, url, signal) => {
      const timeout = AbortSignal.timeout(deadlineMs);
      const either = AbortSignal.any([signal, timeout]);
      try {
        return await follow(place, url, { ...options, dispatcher, signal: either });
      } catch (error) {
        signal.throwIfAborted();
        if (timeout.aborted) throw late(place, deadlineMs);
        throw answerOf(place, error);
      }
    },
    close: () => dispatcher.destroy(),
  };
}

type Fetch = {
  readonly hosts: ReadonlySet<string>;
  readonly maxBytes: number;
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
};

async function follow(place: string, start: string, fetch: Fetch): Promise<Buffer> {
  let url = checkedUrl(place, start, undefined, fetch.hosts);
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const answer = await ask(place, url, fetch);
    if (Buffer.isBuffer(answer)) return answer;
    url = checkedUrl(place, answer.location, url.href, fetch.hosts);
  }
  throw refused(place, `its address redirects more than ${MAX_REDIRECTS} times`);
}

/** The host of an address that can be parsed; IPv6 without brackets. */
export function bareHost(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '');
}

/** Throws 400 for an address that is not to be asked. */
function checkedUrl(
  place: string,
  text: string,
  base: string | undefined,
  hosts: ReadonlySet<string>,
): URL {
  const shown = `its address \`${text.slice(0, 100)}\``;
  if (!URL.canParse(text, base)) throw refused(place, `${shown} is none`);
  const url = new URL(text, base);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw refused(place, `${shown} is neither http nor https`);
  }
  if (url.username !== '' || url.password !== '') {
    throw refused(place, 'its address has a user in it: leave that out');
  }
  if (url.port !== '') throw refused(place, `${shown} names a port of its own`);
  const host = bareHost(url.href);
  if (!hosts.has(host)) throw notAllowed(place, host);
  // A look-up is asked for names only.
  if (isIP(host) !== 0 && !isPublicAddress(host)) {
    throw answerOf(place, new PrivateAddressError(host, host));
  }
  return url;
}

/** 400: the operator would have to allow it, were it not an address that is refused anyway. */
export function notAllowed(place: string, host: string | null): GatewayError {
  if (host !== null && isIP(host) !== 0 && !isPublicAddress(host)) {
    return refused(
      place,
      `${host} is an address of this machine or a private network: never fetched`,
    );
  }
  const flag = `\`--allow-remote-media ${host ?? 'HOST'}\``;
  return refused(
    place,
    `this server fetches nothing from ${host ?? 'other servers'}: send the file as data, or allow it with ${flag}`,
  );
}

async function ask(
  place: string,
  url: URL,
  { dispatcher, signal, maxBytes }: Fetch,
): Promise<Buffer | { readonly location: string }> {
  const { statusCode, headers, body } = await dispatcher.request({
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    method: 'GET',
    headers: {
      accept: 'image/*,audio/*,video/*,application/pdf;q=0.9,*/*;q=0.1',
      'accept-encoding': 'identity',
      'user-agent': 'mmdeploy',
    },
    signal,
  });
  body.on('error', () => undefined);
  try {
    const { location } = headers;
    if (REDIRECTS.includes(statusCode) && typeof location === 'string') return { location };
    if (statusCode !== 200) {
      throw new GatewayError(502, 'remote_media', `\`${place}\`: its server answers ${statusCode}`);
    }
    const announced = Number(headers['content-length'] ?? 0);
    if (announced > maxBytes) throw tooLarge(place, announced, maxBytes);
    return await allOf(place, body, maxBytes);
  } finally {
    body.destroy();
  }
}

async function allOf(
  place: string,
  body: Dispatcher.ResponseData['body'],
  maxBytes: number,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    total += chunk.length;
    if (total > maxBytes) throw tooLarge(place, total, maxBytes);
  }
  return Buffer.concat(chunks);
}

function tooLarge(place: string, bytes: number, limit: number): GatewayError {
  return overLimit(place, `${bytes} bytes or more`, limit, '--max-body');
}

function late(place: string, deadlineMs: number): GatewayError {
  const message = `\`${place}\`: its server took more than ${deadlineMs / 1000} s`;
  return new GatewayError(504, 'remote_media', message);
}

function answerOf(place: string, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (cause instanceof PrivateAddressError) return refused(place, cause.message);
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : messageOf(cause);
  return new GatewayError(
    502,
    'remote_media',
    `\`${place}\`: its server cannot be reached: ${code}`,
  );
}
