import type { LookupAddress } from 'node:dns';
import { createServer, type RequestListener } from 'node:http';
import { connect } from 'node:net';
import type { LookupFunction } from 'node:net';
import { Agent } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createRemoteMedia } from '../../../../src/serve/media/remote-media.ts';
import type { RemoteMediaOptions } from '../../../../src/serve/media/remote-media.ts';
import type { LookupAll } from '../../../../src/process/public-address.ts';
import { imageBytes } from '../../../helpers/images.ts';
import { preparing } from '../../../helpers/media-preparer.ts';
import { privateAddresses } from '../../../reliability/private-addresses.ts';

const PUBLIC = '93.184.216.34';
const never = () => new AbortController().signal;

/** Everybody who gets past the checks ends here, whatever name and port he had asked for. */
async function listener(answer: RequestListener) {
  let connections = 0;
  const server = createServer(answer).on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close().closeAllConnections();
  });
  const { port } = server.address() as { port: number };
  const dispatcher = (lookup: LookupFunction) =>
    new Agent({
      connect: ({ hostname }, done) => {
        // A socket asks nobody about what is an address already.
        const go = () =>
          connect(port, '127.0.0.1', function (this: ReturnType<typeof connect>) {
            done(null, this);
          });
        lookup(hostname, {}, (error) => (error === null ? go() : done(error, null)));
      },
    });
  return { dispatcher, connections: () => connections };
}

async function remote(answer: RequestListener, options: Partial<RemoteMediaOptions> = {}) {
  const { dispatcher, connections } = await listener(answer);
  const media = await createRemoteMedia({
    hosts: new Set(['images.test', 'other.test']),
    maxBytes: 1000,
    lookupAll: (_, __, done) => done(null, [{ address: PUBLIC, family: 4 }]),
    dispatcher,
    ...options,
  });
  onTestFinished(() => media.close());
  return { fetch: (url: string) => media.fetch('part', url, never()), connections };
}

const ok: RequestListener = (_, response) => void response.end('the file');
const resolvesTo = (...addresses: string[]): LookupAll => {
  const found: LookupAddress[] = addresses.map((address) => ({
    address,
    family: address.includes(':') ? 6 : 4,
  }));
  return (_, __, done) => done(null, found);
};

it('fetches from a host that was allowed', async () => {
  const { fetch, connections } = await remote(ok);
  expect((await fetch('http://images.test/a.png')).toString()).toBe('the file');
  expect(connections()).toBe(1);
});

describe('an address that must not be fetched', () => {
  /** With and without a port of its own: the port alone must not be what saves us. */
  const addresses = [
    ...new Set([
      ...privateAddresses(8080),
      ...privateAddresses(8080).map((url) => url.replace(':8080', '')),
    ]),
  ];
  const hostOf = (url: string) =>
    URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : url;

  it('is refused without a packet, were its host allowed ten times', async () => {
    expect(addresses.length).toBeGreaterThan(80);
    // The resolver of a careless network: it says of any name that it is this machine.
    const { fetch, connections } = await remote(ok, {
      hosts: new Set(addresses.map(hostOf)),
      lookupAll: resolvesTo('127.0.0.1'),
    });
    for (const url of addresses) {
      await expect(fetch(url), url).rejects.toMatchObject({ status: 400 });
    }
    expect(connections()).toBe(0);
  });

  it('is refused where no host was allowed, with the flag', async () => {
    const { prepare } = preparing();
    for (const url of [...addresses, 'http://images.test/a.png']) {
      const part = {
        kind: 'image',
        place: 'messages[0].content[0]',
        source: { kind: 'remote', url },
      } as const;
      await expect(prepare([part]), url).rejects.toMatchObject({
        status: 400,
        message: expect.stringMatching(/--allow-remote-media|never fetched/),
      });
    }
  });

  it.each([
    ['one private address of two', [PUBLIC, '10.0.0.1']],
    ['this machine', ['127.0.0.1']],
    ['a mapped address', ['::ffff:127.0.0.1']],
    ['a metadata service', ['169.254.169.254']],
    ['NAT64', ['64:ff9b::7f00:1']],
  ])('is refused when its name resolves to %s', async (_, found) => {
    const { fetch, connections } = await remote(ok, { lookupAll: resolvesTo(...found) });
    await expect(fetch('http://images.test/a.png')).rejects.toMatchObject({ status: 400 });
    expect(connections()).toBe(0);
  });

  it('is refused when the name changes its address after the first look', async () => {
    const answers = [PUBLIC, '127.0.0.1'];
    let hops = 0;
    const again: RequestListener = (_, response) => {
      hops += 1;
      response.writeHead(302, { location: '/again', connection: 'close' }).end();
    };
    const { fetch } = await remote(again, {
      lookupAll: (_, __, done) =>
        done(null, [{ address: answers.shift() ?? '127.0.0.1', family: 4 }]),
    });
    await expect(fetch('http://images.test/a.png')).rejects.toMatchObject({ status: 400 });
    expect(hops).toBe(1);
  });

  it.each([
    'http://127.0.0.1/a.png',
    'http://169.254.169.254/latest/meta-data/',
    'http://elsewhere.test/a.png',
    'file:///etc/passwd',
    'gopher://images.test/',
    'http://images.test:8080/a.png',
    'http://user@images.test/a.png',
  ])('is refused behind a redirect to %s', async (location) => {
    let hops = 0;
    const away: RequestListener = (_, response) => {
      hops += 1;
      response.writeHead(302, { location }).end();
    };
    const { fetch } = await remote(away);
    await expect(fetch('http://images.test/a.png')).rejects.toMatchObject({ status: 400 });
    expect(hops).toBe(1);
  });
});

describe('limits', () => {
  it('follows three redirects between allowed hosts, and no fourth', async () => {
    let left = 3;
    const around: RequestListener = (_, response) => {
      if (left === 0) response.end('arrived');
      else response.writeHead(307, { location: 'http://other.test/next' }).end();
      left -= 1;
    };
    const { fetch } = await remote(around);
    expect((await fetch('http://images.test/a.png')).toString()).toBe('arrived');
    left = 4;
    await expect(fetch('http://images.test/a.png')).rejects.toMatchObject({ status: 400 });
  });

  it.each([true, false])('stops at the most bytes, announced: %s', async (announced) => {
    const { fetch } = await remote((_, response) => {
      if (announced) response.setHeader('content-length', '5000');
      response.write(Buffer.alloc(2500));
      response.end(Buffer.alloc(2500));
    });
    await expect(fetch('http://images.test/a.png')).rejects.toMatchObject({
      status: 413,
      message: expect.stringContaining('`--max-body`'),
    });
  });

  it('has one deadline for everything: a server that drips does not hold it up', async () => {
    const { fetch } = await remote(
      (_, response) => {
        const drip = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(drip));
      },
      { deadlineMs: 300 },
    );
    await expect(fetch('http://images.test/a.png')).rejects.toMatchObject({ status: 504 });
  });

  it('passes on that the server does not have it, or is not there', async () => {
    const missing = await remote((_, response) => void response.writeHead(404).end());
    await expect(missing.fetch('http://images.test/a.png')).rejects.toMatchObject({
      status: 502,
      message: '`part`: its server answers 404',
    });
    const broken = await remote((request) => void request.socket.destroy());
    await expect(broken.fetch('http://images.test/a.png')).rejects.toMatchObject({ status: 502 });
  });
});

it('prepares what it fetched like everything else', async () => {
  const file = await imageBytes({ width: 400, height: 300, format: 'webp' });
  const { dispatcher } = await listener((_, response) => void response.end(file));
  const media = await createRemoteMedia({
    hosts: new Set(['images.test']),
    maxBytes: 1_000_000,
    lookupAll: resolvesTo(PUBLIC),
    dispatcher,
  });
  onTestFinished(() => media.close());
  const { prepare } = preparing({ remote: media });
  const source = { kind: 'remote', url: 'http://images.test/a' } as const;
  await expect(prepare([{ kind: 'image', place: 'p', source }])).resolves.toMatchObject([
    [{ kind: 'image', tokens: { media: 576 } }],
  ]);
});
