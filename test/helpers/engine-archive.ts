import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { create, Header } from 'tar';

/** A program that answers as llama-server does, in sh. */
export function fakeServer(build: number, extra = ''): string {
  return `#!/bin/sh
${extra}
case "$1" in
--version) echo "version: ${build} (abc1234)" >&2 ;;
--help) printf '%s\\n' '--host HOST   address' '--port PORT   port' ;;
--list-devices) printf '%s\\n' 'Available devices:' '  (none)' ;;
esac
`;
}

/** A release archive as llama.cpp packs it: one folder, programs, libraries, links between them. */
export async function releaseArchive(folder: string, server = fakeServer(9000)): Promise<Buffer> {
  const inside = join(folder, 'llama-b9000');
  await mkdir(inside, { recursive: true });
  await writeFile(join(inside, 'llama-server'), server, { mode: 0o755 });
  await writeFile(join(inside, 'LICENSE'), 'MIT');
  // Something that does not compress, so that a download has a middle to be cut in.
  const noise = Buffer.alloc(300_000);
  for (let index = 0, value = 1; index < noise.length; index++) {
    value = (value * 48271) % 2147483647;
    noise[index] = value & 255;
  }
  await writeFile(join(inside, 'libllama.so.0'), noise);
  const file = join(folder, 'archive.tar.gz');
  await create({ file, cwd: folder, gzip: true, portable: true }, ['llama-b9000']);
  return readFile(file);
}

export type TarEntry = {
  readonly path: string;
  readonly type?: 'File' | 'SymbolicLink' | 'Link' | 'Directory' | 'CharacterDevice' | 'FIFO';
  readonly linkpath?: string;
  readonly body?: string;
};

/** A `.tar.gz` with exactly these entries, hostile ones too: no packer would write them. */
export function craftedArchive(entries: readonly TarEntry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const { path, type = 'File', linkpath = '', body = '' } of entries) {
    const block = Buffer.alloc(512);
    const size = Buffer.byteLength(body);
    new Header({ path, type, linkpath, size, mode: 0o755, uid: 0, gid: 0 }).encode(block, 0);
    const padded = Buffer.alloc(Math.ceil(size / 512) * 512);
    padded.write(body);
    blocks.push(block, padded);
  }
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export type Loopback = {
  readonly url: string;
  readonly requests: { readonly path: string; readonly range: string | null }[];
  readonly close: () => Promise<void>;
};

/** An HTTP server on 127.0.0.1 that answers as `handle` says and remembers what it was asked. */
export async function loopback(
  handle: (request: IncomingMessage, response: ServerResponse, count: number) => void,
): Promise<Loopback> {
  const requests: Loopback['requests'] = [];
  const server = createServer((request, response) => {
    requests.push({ path: request.url ?? '', range: request.headers.range ?? null });
    handle(request, response, requests.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Answers with `body`, by range where asked and the validator matches. */
export function serveFile(body: Buffer, etag = '"v1"') {
  return (request: IncomingMessage, response: ServerResponse) => {
    const start = rangeStart(request, etag);
    if (start === null) {
      response.writeHead(200, { 'content-length': body.length, etag });
      response.end(body);
      return;
    }
    const rest = body.subarray(start);
    response.writeHead(206, {
      'content-length': rest.length,
      'content-range': `bytes ${start}-${body.length - 1}/${body.length}`,
      etag,
    });
    response.end(rest);
  };
}

function rangeStart(request: IncomingMessage, etag: string): number | null {
  const match = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  return match?.[1] === undefined || request.headers['if-range'] !== etag ? null : Number(match[1]);
}

/** Promises all of `body`, sends its first `bytes`, and leaves the connection open: `response.destroy()` cuts it. */
export function begin(body: Buffer, bytes: number, response: ServerResponse, etag = '"v1"') {
  response.writeHead(200, { 'content-length': body.length, etag });
  response.write(body.subarray(0, bytes));
}
