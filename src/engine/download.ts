import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { EnvHttpProxyAgent } from 'undici';
import type { Dispatcher } from 'undici';
import { MmdeployError } from '../errors.ts';
import { fetchPart, validatorFile } from './download-part.ts';
import { interrupted, stopIfAborted } from './install-context.ts';
import type { InstallContext } from './install-context.ts';

export type DownloadRequest = {
  readonly url: string;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Where the whole, checked file goes. `<file>.part` holds it until then and survives a Ctrl-C. */
  readonly file: string;
  readonly timing?: DownloadTiming;
};

export type DownloadTiming = {
  /** Longest wait for a connection, for headers, and between two pieces of the body. */
  readonly idleMs: number;
  /** Pause before the download is taken up again after a cut. */
  readonly retryMs: number;
};

export const DOWNLOAD_TIMING: DownloadTiming = { idleMs: 30_000, retryMs: 1_000 };
/** Cuts in a row without one new byte after which the download is given up. */
const MAX_FRUITLESS = 3;

/**
 * Downloads a file and checks its SHA-256. A cut connection is taken up where it ended, in this call
 * and in a later one, as long as the server's validator says that the file is the same. Throws
 * `engine.download` when the server cannot be reached or stops answering, `engine.install` when it
 * refuses, or when the checksum is wrong: then the download is deleted.
 */
export async function download(ask: DownloadRequest, ctx: InstallContext): Promise<void> {
  const timing = ask.timing ?? DOWNLOAD_TIMING;
  const part = `${ask.file}.part`;
  await mkdir(dirname(ask.file), { recursive: true });
  const dispatcher = downloadDispatcher(ctx.env, timing);
  try {
    await fetchAll(ask.url, part, { ctx, dispatcher, timing });
  } finally {
    ctx.progress(null);
    await dispatcher.destroy();
  }
  await rm(validatorFile(part), { force: true });
  const actual = await sha256Of(part);
  if (actual !== ask.sha256) {
    await rm(part, { force: true });
    throw new MmdeployError('engine.install', `${ask.url} has the wrong SHA-256`, {
      details: [`expected ${ask.sha256}`, `received ${actual}`],
      hints: ['run the command again; if it stays wrong, the file was changed: do not use it'],
    });
  }
  await rename(part, ask.file);
}

/** Proxies of the environment are used; this machine itself is never behind one. */
export function downloadDispatcher(env: InstallContext['env'], timing: DownloadTiming): Dispatcher {
  const either = (name: string) => env[name.toLowerCase()] ?? env[name] ?? '';
  return new EnvHttpProxyAgent({
    httpProxy: either('HTTP_PROXY'),
    httpsProxy: either('HTTPS_PROXY'),
    noProxy: ['127.0.0.1', '::1', 'localhost', either('NO_PROXY')].filter(Boolean).join(','),
    // A firewall that swallows packets must not hold up the next source for long.
    connect: { timeout: Math.min(timing.idleMs, 10_000) },
    headersTimeout: timing.idleMs,
    bodyTimeout: timing.idleMs,
  });
}

type Session = {
  readonly ctx: InstallContext;
  readonly dispatcher: Dispatcher;
  readonly timing: DownloadTiming;
};

async function fetchAll(url: string, part: string, session: Session): Promise<void> {
  const { ctx, dispatcher, timing } = session;
  for (let fruitless = 0; ;) {
    stopIfAborted(ctx.signal);
    const before = await sizeOf(part);
    const result = await fetchPart({ url, part, have: before, dispatcher }, ctx);
    if (result.kind === 'whole') return;
    fruitless = (await sizeOf(part)) > before ? 0 : fruitless + 1;
    if (fruitless >= MAX_FRUITLESS) throw unreachable(url, result.reason);
    await wait(timing.retryMs, undefined, { signal: ctx.signal }).catch(() => {
      throw interrupted();
    });
  }
}

function unreachable(url: string, reason: string): MmdeployError {
  return new MmdeployError('engine.download', `cannot download ${url}: ${reason}`, {
    hints: [
      'check the network (HTTPS_PROXY is respected); what has arrived is kept and taken up again',
      'on Debian, its own packages will do: `mmdeploy engine install debian`',
    ],
  });
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => null))?.size ?? 0;
}
