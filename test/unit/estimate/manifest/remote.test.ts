import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LookupAll } from '../../../../src/process/public-address.ts';
import type { RemoteOptions } from '../../../../src/estimate/manifest/remote.ts';
import { createRemoteReader, remotePolicy } from '../../../../src/estimate/manifest/remote.ts';

/** Names as the test's own name server knows them; the server itself is on 127.0.0.1. */
const NAMES: Readonly<Record<string, string>> = {
  'pictures.test': '127.0.0.1',
  'inside.test': '10.1.2.3',
  'metadata.test': '169.254.169.254',
};
const lookupAll: LookupAll = (host, _options, done) => {
  const address = NAMES[host];
  if (address === undefined)
    done(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), []);
  else done(null, [{ address, family: 4 }]);
};

let picture: Buffer;
const seen: IncomingMessage[] = [];
const server = createServer((request, response) => {
  seen.push(request);
  answer(request, response);
});
let port = 0;

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url ?? '/', 'http://x');
  if (pathname === '/ranged') {
    const [, last] = /bytes=0-(\d+)/.exec(request.headers.range ?? '') ?? [];
    response.writeHead(206).end(picture.subarray(0, Number(last) + 1));
  } else if (pathname === '/endless') {
    const more = () => {
      if (response.write(Buffer.alloc(64 * 1024, 1))) setImmediate(more);
    };
    response.on('drain', more);
    more();
  } else if (pathname === '/silent') response.flushHeaders();
  else if (pathname.startsWith('/to/')) {
    response.writeHead(302, { location: decodeURIComponent(pathname.slice(4)) }).end();
  } else if (pathname === '/loop') response.writeHead(302, { location: '/loop' }).end();
  else response.writeHead(404).end();
}

beforeAll(async () => {
  const raw = { width: 640, height: 480, channels: 3 } as const;
  const noise = Buffer.from(Array.from({ length: 640 * 480 * 3 }, (_, at) => (at * 7919) % 251));
  picture = await sharp(noise, { raw }).png().toBuffer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function head(allow: string, url: string, length = 4096, more: Partial<RemoteOptions> = {}) {
  const policy = remotePolicy([allow]);
  if (policy === null) throw new Error('no policy');
  const signal = new AbortController().signal;
  const reader = await createRemoteReader({ policy, signal, lookupAll, ...more });
  try {
    return await reader.head(url.replace('PORT', String(port)), length);
  } finally {
    await reader.close();
  }
}

describe('the first bytes of a remote file', () => {
  it('asks for a range of a host that was named, though it is this machine', async () => {
    seen.length = 0;
    const found = await head('pictures.test', 'http://pictures.test:PORT/ranged');
    expect(found).toEqual({ bytes: picture.subarray(0, 4096), whole: false });
    expect(seen.map(({ headers }) => headers.range)).toEqual(['bytes=0-4095']);
  });

  it('says when it has all of it', async () => {
    const found = await head('pictures.test', 'http://pictures.test:PORT/ranged', 10_000_000);
    expect(found).toMatchObject({ whole: true });
  });

  it('takes no more than that of a server that sends without end', async () => {
    const found = await head('pictures.test', 'http://pictures.test:PORT/endless', 100_000);
    expect(found).toMatchObject({ whole: false, bytes: { length: 100_000 } });
  });

  it.each([
    ['pictures.test', 'http://127.0.0.1:PORT/ranged', 'remote; allow it with `--allow-remote 127.0.0.1`'], // prettier-ignore
    ['any', 'http://127.0.0.1:PORT/ranged', /^remote; 127\.0\.0\.1 is 127\.0\.0\.1, an address of this machine/], // prettier-ignore
    ['any', 'http://pictures.test:PORT/ranged', /^pictures\.test is 127\.0\.0\.1, an address of/],
    ['any', 'http://inside.test/a.png', /^inside\.test is 10\.1\.2\.3, an address of/],
    ['any', 'http://metadata.test/latest', /^metadata\.test is 169\.254\.169\.254/],
    ['any', 'http://[::1]:PORT/', /^remote; ::1 is ::1/],
    ['any', 'http://[::ffff:127.0.0.1]:PORT/', /^remote; ::ffff:7f00:1 is/],
    ['any', 'http://2130706433:PORT/', /^remote; 127\.0\.0\.1 is 127\.0\.0\.1/],
    ['any', 'http://0x7f.1:PORT/', /^remote; 127\.0\.0\.1 is/],
    ['any', 'http://nowhere.test/', 'remote; ENOTFOUND'],
    ['any', 'ftp://pictures.test/a', /is no http address$/],
    ['pictures.test', 'http://pictures.test:PORT/missing', 'remote; the server answers 404'],
    ['pictures.test', 'http://pictures.test:PORT/loop', 'remote; redirected more than 3 times'],
    ['pictures.test', 'http://pictures.test:PORT/to/http%3A%2F%2F127.0.0.1%3APORT%2Franged', /allow it with `--allow-remote 127\.0\.0\.1`$/], // prettier-ignore
    ['pictures.test,any', 'http://pictures.test:PORT/to/http%3A%2F%2Finside.test%2F', /^inside\.test is 10/], // prettier-ignore
    ['pictures.test', 'http://pictures.test:PORT/to/file%3A%2F%2F%2Fetc%2Fpasswd', /is no http address$/], // prettier-ignore
  ])('allows %s only: %s', async (allow, url, reason) => {
    const found = await head(allow, url.replace('PORT', String(port)));
    const matcher = typeof reason === 'string' ? reason : expect.stringMatching(reason);
    expect(found).toEqual({ reason: matcher });
  });

  it('follows a redirection between hosts that are allowed', async () => {
    const url = 'http://pictures.test:PORT/to/%2Franged';
    expect(await head('pictures.test', url)).toMatchObject({ whole: false });
  });

  it('does not wait for ever', async () => {
    const url = 'http://pictures.test:PORT/silent';
    const found = await head('pictures.test', url, 100, { deadlineMs: 50 });
    expect(found).toEqual({ reason: 'remote; no answer in time' });
  });

  it('stops when the run is', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    const url = 'http://pictures.test:PORT/ranged';
    await expect(head('pictures.test', url, 100, { signal })).rejects.toThrow('stopped');
  });
});

describe('--allow-remote', () => {
  it('takes hosts with commas between, in any case', () => {
    expect(remotePolicy(['A.example.org, b', 'any'])).toEqual({
      hosts: new Set(['a.example.org', 'b']),
      any: true,
    });
    expect(remotePolicy([])).toBeNull();
  });

  it.each(['https://example.org', 'example.org/a', 'a b', '*', '-a'])('refuses %s', (name) => {
    expect(() => remotePolicy([name])).toThrow(/not a host's name/);
  });
});
