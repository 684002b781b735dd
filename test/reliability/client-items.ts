import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, type Asked, CHAT_PATH, longChat, mediaChat, tally, textChat } from './asking.ts';
import {
  dripFeed,
  goodRequests,
  hangUp,
  openHalf,
  openSlowReader,
  type Loris,
} from './connections.ts';
import { TINY_PNG } from './png.ts';
import { ms, percentile, type Finding, type Item } from './report.ts';
import { residentMib, type Served } from './served.ts';
import type { World } from './world.ts';

const OVERLOAD_CLIENTS = 80;
const MEMORY_LIMIT_MIB = 300;

/** Item 8: connections that never get to the end of a request, beside good ones. */
export async function halfOpen({ sizes, serve }: World): Promise<Item> {
  const server = await serve();
  const good = () => goodRequests(server.url, sizes.goodRequests);
  try {
    // The first requests of a server are slower.
    await good();
    const before = await good();
    const held = await openHalf(server.url, sizes.halfOpen);
    const during = await good();
    const mib = residentMib(server.pid);
    const [refused, closed] = [held.refused(), held.closed()];
    held.release();
    const after = await good();
    const fates = during.map(({ fate }) => fate);
    const without = Math.max(p99(before), p99(after));
    return {
      id: '8',
      title: 'Half-open connections',
      findings: [
        {
          what: `${sizes.goodRequests} good requests beside ${sizes.halfOpen} half-open connections`,
          found: `${tally(fates)}; p99 ${ms(p99(during))}, before them ${ms(p99(before))}, after them ${ms(p99(after))}`,
          bar: 'all answered; p99 at most twice that without, or 250 ms more',
          holds:
            fates.every((fate) => fate === 'answered') &&
            p99(during) <= Math.max(2 * without, without + 250),
        },
        {
          what: `the ${sizes.halfOpen} connections`,
          found: `${refused} refused, ${closed} closed by the server meanwhile; the gateway takes ${mib.toFixed(0)} MiB`,
          bar: `none refused, under ${MEMORY_LIMIT_MIB} MiB`,
          holds: refused === 0 && mib < MEMORY_LIMIT_MIB,
        },
      ],
    };
  } finally {
    await server.stop();
  }
}

function p99(asked: readonly Asked[]): number {
  return percentile(
    asked.map((each) => each.ms),
    0.99,
  );
}

/** Item 8 too: requests that come byte by byte. It only waits, so others may run beside it. */
export async function dripped({ sizes, serve }: World): Promise<Item> {
  const server = await serve();
  try {
    const pace = { everyMs: 500, limitMs: sizes.dripMs };
    const [head, body] = await Promise.all([
      dripFeed(server.url, 'head', pace),
      dripFeed(server.url, 'body', pace),
    ]);
    return {
      id: '8',
      title: 'Slow-loris',
      findings: [cut('a header of 2 bytes/s', head), cut('a body of 2 bytes/s', body)],
    };
  } finally {
    await server.stop();
  }
}

function cut(what: string, { cutAfterMs, status }: Loris): Finding {
  return {
    what,
    found:
      cutAfterMs === null
        ? 'fed to the end'
        : `cut after ${ms(cutAfterMs)}, status ${status ?? 'none'}`,
    bar: 'cut',
    holds: cutAfterMs !== null,
  };
}

/** Item 9: clients that go away, do not read, or are far too many. */
export async function clientsMisbehave(world: World): Promise<Item> {
  const server = await world.serve();
  try {
    const findings = [
      await hangUps(server, world.sizes.hangUps),
      await slowReaders(server),
      ...(await overload(server, world.sizes.overload)),
    ];
    return { id: '9', title: 'Clients that hang up, do not read, or are too many', findings };
  } finally {
    await server.stop();
  }
}

/** Hangs up at every stage; afterwards as many requests as there are slots run at once. */
async function hangUps(server: Served, count: number): Promise<Finding> {
  const bodies = [
    textChat('short'),
    longChat('a long stream', 3000, { stream: true }),
    longChat('a long one', 3000),
    mediaChat(TINY_PNG, { stream: true }),
  ];
  for (let index = 0; index < count; index++) {
    const body = bodies[index % bodies.length] ?? {};
    await hangUp(server.url, body, [0, 2, 10, 40][Math.floor(index / 4) % 4] ?? 0);
  }
  const after = await Promise.all(
    Array.from({ length: 4 }, () => ask(server.url, textChat('free?'), { hungMs: 20_000 })),
  );
  const fates = after.map(({ fate }) => fate);
  return {
    what: `${count} clients hang up, 0 to 40 ms into a request; then 4 requests`,
    found: `${tally(fates)}, the slowest in ${ms(Math.max(...after.map((each) => each.ms)))}`,
    bar: 'every slot is free again',
    holds: fates.every((fate) => fate === 'answered'),
  };
}

async function slowReaders(server: Served): Promise<Finding> {
  const readers = Array.from({ length: 3 }, () => openSlowReader(server.url));
  await delay(200);
  const beside = await goodRequests(server.url, 5);
  for (const reader of readers) reader.close();
  const fates = beside.map(({ fate }) => fate);
  return {
    what: '3 clients that do not read their streams, 5 good requests beside them',
    found: tally(fates),
    bar: 'all answered',
    holds: fates.every((fate) => fate === 'answered'),
  };
}

/** Many times more requests than there are slots, all at once. */
async function overload(server: Served, count: number): Promise<Finding[]> {
  const before = residentMib(server.pid);
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, residentMib(server.pid))), 50);
  let next = 0;
  const asked: Awaited<ReturnType<typeof ask>>[] = [];
  const client = async () => {
    while (next < count) {
      const number = next++;
      asked.push(
        await ask(server.url, longChat(`request ${number}`, 200, { stream: number % 2 === 0 })),
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(OVERLOAD_CLIENTS, count) }, client));
  clearInterval(watch);
  const refused = asked.filter(({ status }) => status === 429);
  const fates = asked.map(({ fate, status }) => (status === 429 ? '429' : fate));
  const withHint = refused.filter(({ headers }) => Number(headers['retry-after']) >= 1);
  return [
    {
      what: `${count} requests by ${Math.min(OVERLOAD_CLIENTS, count)} clients that never wait`,
      found: `${tally(fates)} (429 rate ${((100 * refused.length) / count).toFixed(0)} %)`,
      bar: 'answered or 429 with Retry-After; none lost, none hung',
      holds:
        fates.every((fate) => fate === 'answered' || fate === '429') &&
        withHint.length === refused.length,
    },
    {
      what: 'memory of the gateway meanwhile',
      found: `${before.toFixed(0)} to ${peak.toFixed(0)} MiB`,
      bar: `under ${MEMORY_LIMIT_MIB} MiB`,
      holds: peak < MEMORY_LIMIT_MIB,
    },
  ];
}

/** Item 14: every route asks for the key, and what the engine alone offers is not there. */
export async function keys(world: World): Promise<Item> {
  const key = 'a-key-of-the-test';
  const keyFile = join(world.folder(), 'keys');
  writeFileSync(keyFile, `${key}\n`);
  const server = await world.serve({ flags: ['--api-key-file', keyFile] });
  try {
    const statusOf = async (method: string, path: string, authorization?: string) => {
      const headers = {
        'content-type': 'application/json',
        ...(authorization === undefined ? {} : { authorization }),
      };
      const body = method === 'GET' ? {} : { body: JSON.stringify(textChat('hi')) };
      const response = await fetch(server.url + path, { method, headers, ...body });
      await response.arrayBuffer();
      return response.status;
    };
    const open = await Promise.all(
      ROUTES.flatMap(([method, path]) =>
        [undefined, 'Bearer wrong', 'Basic eDp5'].map((given) => statusOf(method, path, given)),
      ),
    );
    const hidden = await Promise.all(
      ENGINE_ONLY.map((path) => statusOf('GET', path, `Bearer ${key}`)),
    );
    const good = await statusOf('POST', CHAT_PATH, `Bearer ${key}`);
    return {
      id: '14',
      title: 'Keys',
      findings: [
        {
          what: `${ROUTES.length} routes without a key, with a wrong one, with another scheme`,
          found: tally(open.map(String)),
          bar: '401',
          holds: open.every((status) => status === 401),
        },
        {
          what: `${ENGINE_ONLY.length} routes of the engine, with the key`,
          found: tally(hidden.map(String)),
          bar: '404',
          holds: hidden.every((status) => status === 404),
        },
        { what: 'a chat with the key', found: String(good), bar: '200', holds: good === 200 },
      ],
    };
  } finally {
    await server.stop();
  }
}

const ROUTES: readonly (readonly [string, string])[] = [
  ['POST', CHAT_PATH],
  ['POST', '/v1/completions'],
  ['POST', '/v1/responses'],
  ['POST', '/v1/messages'],
  ['GET', '/v1/models'],
  ['POST', '/v1/audio/transcriptions'],
  ['POST', '/v1/images/generations'],
  ['POST', '/tokenize'],
  ['GET', '/metrics'],
  ['POST', '/mmdeploy/v1/estimate'],
  ['GET', '/slots'],
  ['GET', '/no/such/route'],
];

const ENGINE_ONLY = ['/slots', '/props', '/tools', '/lora-adapters', '/slots/0?action=save'];
