import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { Dispatcher } from 'undici';
import { MmdeployError, messageOf } from '../../errors.ts';
import type { LookupAll } from '../../process/public-address.ts';
import {
  PrivateAddressError,
  isPublicAddress,
  publicLookup,
} from '../../process/public-address.ts';

/** Whose addresses may be fetched. */
export type RemotePolicy = {
  /** Lower case; these may also be private: whoever names a host means it. */
  readonly hosts: ReadonlySet<string>;
  /** Every public host as well. */
  readonly any: boolean;
};

type RemoteHead = {
  /** The first bytes; all of them when `whole`. */
  readonly bytes: Buffer;
  readonly whole: boolean;
};

export type RemoteReader = {
  /** The first `length` bytes, or why they cannot be had. Throws only when aborted. */
  readonly head: (url: string, length: number) => Promise<RemoteHead | { readonly reason: string }>;
  readonly close: () => Promise<void>;
};

const HOST = /^(?:[a-z\d_](?:[a-z\d_.-]*[a-z\d_])?|\[[\da-f:.]+\]|[\da-f:]+:[\da-f:.]*)$/;
const DEADLINE_MS = 20_000;
const MAX_REDIRECTS = 3;
const REDIRECTS = [301, 302, 303, 307, 308];

/** `--allow-remote HOST[,HOST…]|any`; null when it was not given. Throws `usage.invalid`. */
export function remotePolicy(values: readonly string[]): RemotePolicy | null {
  const names = values
    .flatMap((value) => value.split(','))
    .map((name) => name.trim().toLowerCase());
  const given = names.filter((name) => name !== '');
  for (const name of given) {
    if (HOST.test(name)) continue;
    throw new MmdeployError('usage.invalid', `\`--allow-remote ${name}\`: not a host's name`, {
      hints: ['a name alone: `mmdeploy estimate --allow-remote images.example.org`, or `any`'],
    });
  }
  if (given.length === 0) return null;
  const hosts = new Set(given.filter((name) => name !== 'any').map(bare));
  return { hosts, any: given.includes('any') };
}

export type RemoteOptions = {
  readonly policy: RemotePolicy;
  readonly signal: AbortSignal;
  readonly deadlineMs?: number;
  readonly lookupAll?: LookupAll;
};

/**
 * Asks for the first bytes of remote files: one range each, with a deadline, and only of hosts that the
 * policy allows, at each hop. Proxies of the environment are not used, for they would resolve names.
 */
export async function createRemoteReader(options: RemoteOptions): Promise<RemoteReader> {
  const { Agent } = await import('undici');
  const lookupAll = options.lookupAll ?? lookup;
  const limits = { connections: 8, headersTimeout: DEADLINE_MS, bodyTimeout: DEADLINE_MS };
  const open = new Agent({ ...limits, connect: { lookup: publicLookup(lookupAll) } });
  const named = new Agent({ ...limits, connect: { lookup: lookupAll as never } });
  return {
    head: async (url, length) => {
      const timeout = AbortSignal.timeout(options.deadlineMs ?? DEADLINE_MS);
      const signal = AbortSignal.any([options.signal, timeout]);
      try {
        return await follow(url, { length, signal, policy: options.policy, open, named });
      } catch (error) {
        options.signal.throwIfAborted();
        return { reason: timeout.aborted ? 'remote; no answer in time' : reasonOf(error) };
      }
    },
    close: async () => {
      await Promise.all([open.destroy(), named.destroy()]);
    },
  };
}

type Fetch = {
  readonly length: number;
  readonly signal: AbortSignal;
  readonly policy: RemotePolicy;
  /** Connects to public addresses only. */
  readonly open: Dispatcher;
  readonly named: Dispatcher;
};

async function follow(
  start: string,
  fetch: Fetch,
): Promise<RemoteHead | { readonly reason: string }> {
  let url = start;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const target = parsed(url);
    const refusal = refusalOf(target, url, fetch.policy);
    if (refusal !== null || target === null) return { reason: refusal ?? '' };
    const isNamed = fetch.policy.hosts.has(bare(target.hostname));
    const answer = await ask(target, isNamed ? fetch.named : fetch.open, fetch);
    if (!('location' in answer)) return answer;
    url = parsed(answer.location, url)?.href ?? answer.location;
  }
  return { reason: `remote; redirected more than ${MAX_REDIRECTS} times` };
}

function parsed(url: string, base?: string): URL | null {
  return URL.canParse(url, base) ? new URL(url, base) : null;
}

/** Why this address is not asked; null when it may be. */
function refusalOf(target: URL | null, url: string, { hosts, any }: RemotePolicy): string | null {
  if (target === null || !/^https?:$/.test(target.protocol)) {
    return `remote; ${url.slice(0, 100)} is no http address`;
  }
  const host = bare(target.hostname);
  if (hosts.has(host)) return null;
  if (!any) return `remote; allow it with \`--allow-remote ${host}\``;
  if (isIP(host) !== 0 && !isPublicAddress(host)) {
    return `remote; ${reasonOf(new PrivateAddressError(host, host))}`;
  }
  return null;
}

async function ask(
  target: URL,
  dispatcher: Dispatcher,
  { length, signal }: Fetch,
): Promise<RemoteHead | { readonly reason: string } | { readonly location: string }> {
  const { statusCode, headers, body } = await dispatcher.request({
    origin: target.origin,
    path: `${target.pathname}${target.search}`,
    method: 'GET',
    headers: {
      range: `bytes=0-${length - 1}`,
      accept: 'image/*,audio/*,video/*,application/pdf;q=0.9,*/*;q=0.1',
      'accept-encoding': 'identity',
      'user-agent': 'mmdeploy',
    },
    signal,
  });
  body.on('error', () => undefined);
  const { location } = headers;
  const moved = REDIRECTS.includes(statusCode) && typeof location === 'string';
  if (moved || (statusCode !== 200 && statusCode !== 206)) {
    body.destroy();
    return moved ? { location } : { reason: `remote; the server answers ${statusCode}` };
  }
  const bytes = await firstBytes(body, length);
  return { bytes, whole: bytes.length < length };
}

/** A server may ignore the range: what it sends beyond is not waited for. */
async function firstBytes(body: Dispatcher.ResponseData['body'], length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    total += chunk.length;
    if (total >= length) break;
  }
  return Buffer.concat(chunks).subarray(0, length);
}

/** Names are compared without brackets and without the dot of a full name. */
function bare(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}

function reasonOf(error: unknown): string {
  if (error instanceof PrivateAddressError) {
    return `${error.message}: name it in \`--allow-remote\` if you mean it`;
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : null;
  return `remote; ${code ?? messageOf(error)}`;
}
