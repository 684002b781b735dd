import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { messageOf, MmdeployError } from '../errors.ts';
import { interrupted } from './install-context.ts';
import type { InstallContext } from './install-context.ts';

export type PartRequest = {
  readonly url: string;
  /** The file that grows. */
  readonly part: string;
  /** Its size now, in bytes. */
  readonly have: number;
  readonly dispatcher: Dispatcher;
};

/** `cut`: the connection ended early or the server is busy; asking again may go on. */
export type PartResult =
  { readonly kind: 'whole' } | { readonly kind: 'cut'; readonly reason: string };

const MAX_REDIRECTS = 5;

type Response = Dispatcher.ResponseData;

/**
 * One request for what is missing of a file. `If-Range` makes the server send the whole file when it
 * is not the one that was begun; a server without ranges does so anyway. Throws `engine.install` when
 * the server refuses, `interrupted`, and what the disk says.
 */
export async function fetchPart(ask: PartRequest, ctx: InstallContext): Promise<PartResult> {
  const validator = ask.have > 0 ? await readValidator(ask) : null;
  const from = validator === null ? 0 : ask.have;
  const range = validator === null ? {} : { range: `bytes=${from}-`, 'if-range': validator };
  let response: Response;
  try {
    response = await follow(ask, range, ctx);
  } catch (error) {
    return cutOrThrow(error, ctx);
  }
  const { statusCode: status } = response;
  if (status === 200) return receive(response, ask, 0, ctx);
  if (status === 206 && startOf(response) === from) return receive(response, ask, from, ctx);
  await response.body.dump().catch(() => undefined);
  if (status === 206 || status === 416) {
    await rm(ask.part, { force: true });
    return { kind: 'cut', reason: `the server answered another range than asked for (${status})` };
  }
  if (status === 429 || status >= 500) return { kind: 'cut', reason: `HTTP ${status}` };
  const hint =
    status === 404
      ? 'There is no such file: `--build N` takes another build, `--url` another address'
      : 'Try another address with `--url`';
  throw new MmdeployError('engine.install', `${ask.url} answers HTTP ${status}`, { hints: [hint] });
}

async function follow(
  ask: PartRequest,
  headers: Readonly<Record<string, string>>,
  ctx: InstallContext,
): Promise<Response> {
  let url = new URL(ask.url);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await request(url, {
      dispatcher: ask.dispatcher,
      signal: ctx.signal,
      headers: { ...headers, 'user-agent': 'mmdeploy', 'accept-encoding': 'identity' },
    });
    const location = response.headers['location'];
    if (response.statusCode < 300 || response.statusCode >= 400 || typeof location !== 'string') {
      return response;
    }
    await response.body.dump();
    const next = new URL(location, url);
    const downgrade = url.protocol === 'https:' && next.protocol !== 'https:';
    if (downgrade || !/^https?:$/.test(next.protocol)) {
      throw new MmdeployError(
        'engine.install',
        `${ask.url} leads to an unsafe address: ${next.origin}`,
      );
    }
    url = next;
  }
  throw new MmdeployError(
    'engine.install',
    `${ask.url} redirects more than ${MAX_REDIRECTS} times`,
  );
}

async function receive(
  response: Response,
  ask: PartRequest,
  from: number,
  ctx: InstallContext,
): Promise<PartResult> {
  const length = Number(response.headers['content-length'] ?? Number.NaN);
  const total = Number.isFinite(length) ? from + length : null;
  await writeValidator(ask, response);
  const file = await open(ask.part, from > 0 ? 'a' : 'w');
  let done = from;
  try {
    for await (const chunk of response.body) {
      await file.appendFile(chunk as Buffer);
      done += (chunk as Buffer).length;
      ctx.progress({ label: `downloading ${basename(ask.url)}`, done, total, unit: 'bytes' });
    }
  } catch (error) {
    return cutOrThrow(error, ctx);
  } finally {
    await file.close();
  }
  if (total !== null && done !== total) {
    return { kind: 'cut', reason: `the connection ended after ${done} of ${total} bytes` };
  }
  return { kind: 'whole' };
}

const DISK_ERRORS = ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES', 'EPERM', 'EFBIG'];

function cutOrThrow(error: unknown, ctx: InstallContext): PartResult {
  if (ctx.signal.aborted) throw interrupted();
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof MmdeployError || DISK_ERRORS.includes(code ?? '')) throw error;
  // Several addresses of one host fail together, in an AggregateError whose own message is empty.
  const message = messageOf(error);
  return { kind: 'cut', reason: message === '' ? (code ?? 'the connection failed') : message };
}

function startOf(response: Response): number | null {
  const match = /^bytes (\d+)-/.exec(String(response.headers['content-range'] ?? ''));
  return match?.[1] === undefined ? null : Number(match[1]);
}

export function validatorFile(part: string): string {
  return `${part}.json`;
}

/** A strong ETag, else the date: what `If-Range` may carry. None: the file is begun again. */
async function writeValidator(ask: PartRequest, response: Response): Promise<void> {
  const etag = response.headers['etag'];
  const date = response.headers['last-modified'];
  const strong = typeof etag === 'string' && !etag.startsWith('W/') ? etag : null;
  const validator = strong ?? (typeof date === 'string' ? date : null);
  if (validator === null) await rm(validatorFile(ask.part), { force: true });
  else await writeFile(validatorFile(ask.part), JSON.stringify({ url: ask.url, validator }));
}

async function readValidator(ask: PartRequest): Promise<string | null> {
  try {
    const kept: unknown = JSON.parse(await readFile(validatorFile(ask.part), 'utf8'));
    if (typeof kept !== 'object' || kept === null) return null;
    const { url, validator } = kept as { url?: unknown; validator?: unknown };
    return url === ask.url && typeof validator === 'string' ? validator : null;
  } catch {
    return null;
  }
}
