import { createServer } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, longChat, tally, textChat, type Asked } from './asking.ts';
import { killUnderLoad } from './kills.ts';
import { ms, percentile, type Finding, type Item } from './report.ts';
import { isRunning, until } from './served.ts';
import type { World } from './world.ts';

const CLIENTS = 6;
const SEED = 20261122;

/** Item 1: the engine is killed under load; what each request is told. */
export async function engineKilled({ sizes, serve }: World): Promise<Item> {
  const server = await serve();
  try {
    const { asked, backMs } = await killUnderLoad(server, {
      kills: sizes.kills,
      clients: CLIENTS,
      seed: SEED,
    });
    const fates = asked.map(({ fate }) => fate);
    const lost = fates.filter((fate) => fate === 'lost').length;
    const hung = fates.filter((fate) => fate === 'hung').length;
    const told = asked.filter(({ fate }) => fate === 'told');
    const unexplained = asked.filter(({ fate }) => fate === 'lost' || fate === 'hung');
    return {
      id: '1',
      title: 'kill -9 of the engine under load',
      findings: [
        {
          what: `${sizes.kills} kills, ${CLIENTS} clients, half of them streaming, a third with an image: ${asked.length} requests`,
          found: tally(fates),
          bar: 'none lost, none hung',
          holds: lost === 0 && hung === 0 && asked.length > sizes.kills,
        },
        {
          what: 'requests lost per 100 kills',
          found: `${((lost * 100) / sizes.kills).toFixed(0)} without a word; ${((told.length * 100) / sizes.kills).toFixed(0)} ended by an explicit error (${tally(told.map(({ code }) => code))})`,
          bar: '0 without a word',
          holds: lost === 0,
        },
        {
          what: 'from the kill to the next answer',
          found: `p50 ${ms(percentile(backMs, 0.5))}, p99 ${ms(percentile(backMs, 0.99))}`,
          bar: 'start time and back-off',
          holds: backMs.length === sizes.kills,
        },
      ],
      details: unexplained.map(({ fate, status, message }) => `- ${fate}: ${status} ${message}`),
    };
  } finally {
    await server.stop();
  }
}

/** Item 3: SIGTERM ends nothing that runs, takes nothing new, and leaves no process. */
export async function drains({ serve }: World): Promise<Item> {
  const server = await serve({ flags: ['--drain', '30s'] });
  const engine = await until(() => server.enginePid(), 5000);
  const running = Array.from({ length: 4 }, (_, index) =>
    ask(server.url, longChat(`stream ${index}`, 1500, { stream: index % 2 === 0 })),
  );
  await delay(300);
  server.signal('SIGTERM');
  // It is taken while the answers run: they are soon over on a fast machine.
  let late = await ask(server.url, textChat('too late'));
  while (late.fate === 'answered') late = await ask(server.url, textChat('too late'));
  const finished = await Promise.all(running);
  const code = await server.ended;
  const orphan = isRunning(engine);
  const fates = finished.map(({ fate }) => fate);
  const findings: Finding[] = [
    {
      what: 'SIGTERM while 4 long answers run',
      found: `${tally(fates)}; exit code ${code}`,
      bar: 'all answered, exit code 0',
      holds: fates.every((fate) => fate === 'answered') && code === 0,
    },
    {
      what: 'a request after SIGTERM',
      found: late.status === 0 ? late.message : `${late.status} ${late.code}`,
      bar: '503',
      holds: late.status === 503,
    },
    { what: 'the engine afterwards', found: orphan ? 'runs' : 'gone', bar: 'gone', holds: !orphan },
    await killedGateway(serve),
  ];
  return { id: '3', title: 'SIGTERM and SIGKILL of the server', findings };
}

async function killedGateway(serve: World['serve']): Promise<Finding> {
  const server = await serve();
  const engine = await until(() => server.enginePid(), 5000);
  const killedAt = performance.now();
  server.signal('SIGKILL');
  await server.ended;
  const gone = await until(() => (isRunning(engine) ? undefined : true), 10_000).catch(() => false);
  const took = performance.now() - killedAt;
  return {
    what: 'kill -9 of the server',
    found: gone ? `the engine is gone after ${ms(took)}` : 'the engine runs on',
    bar: 'the engine dies too',
    holds: gone,
  };
}

/** Item 4: a port that is taken is said so; a free one is the system's to choose. */
export async function ports({ serve }: World): Promise<Item> {
  const holder = createServer();
  await new Promise<void>((resolve) => void holder.listen(0, '127.0.0.1', () => resolve()));
  const address = holder.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const failure = await serve({ flags: ['--port', String(port)] }).then(
    async (server) => {
      await server.stop();
      return 'started';
    },
    (error: unknown) => String(error),
  );
  holder.close();
  const servers = await Promise.all([serve(), serve()]);
  const urls = new Set(servers.map(({ url }) => url));
  await Promise.all(servers.map((server) => server.stop()));
  const told = failure.includes(`port ${port}`) && failure.includes('already in use');
  return {
    id: '4',
    title: 'Ports',
    findings: [
      {
        what: 'the port is taken',
        found: told ? 'told so, nothing started' : failure,
        bar: 'told so',
        holds: told,
      },
      {
        what: 'two servers at once on `--port 0`',
        found: `${urls.size} addresses`,
        bar: '2',
        holds: urls.size === 2,
      },
    ],
  };
}

const WATCHDOG_LIMIT_MS = 120_000;

/** Item 11: an engine that is stopped answers nothing and closes nothing. */
export async function engineStopped({ serve }: World): Promise<Item> {
  const server = await serve({ flags: ['--stall-timeout', '5s'] });
  try {
    const engine = await until(() => server.enginePid(), 5000);
    const running = Array.from({ length: 4 }, (_, index) =>
      ask(server.url, longChat(`stream ${index}`, 3000, { stream: index % 2 === 0 }), {
        hungMs: WATCHDOG_LIMIT_MS,
      }),
    );
    await delay(200);
    const stoppedAt = performance.now();
    process.kill(engine, 'SIGSTOP');
    const fates = (await Promise.all(running)).map(({ fate }) => fate);
    const endedMs = performance.now() - stoppedAt;
    const next = await ask(server.url, textChat('and now?'), { hungMs: WATCHDOG_LIMIT_MS });
    if (isRunning(engine)) process.kill(engine, 'SIGCONT');
    return {
      id: '11',
      title: 'SIGSTOP of the engine',
      findings: [
        {
          what: 'SIGSTOP under 4 requests',
          found: `${tally(fates)} after ${ms(endedMs)}`,
          bar: 'none hung, none lost',
          holds: !fates.includes('hung') && !fates.includes('lost'),
        },
        {
          what: 'the request after it',
          found: `${next.fate}${next.code === '' ? '' : ` (${next.code})`}`,
          bar: 'answered',
          holds: next.fate === 'answered',
        },
      ],
    };
  } finally {
    await server.stop();
  }
}

/** Item 2: an engine that dies at every request is restarted later and later, and its clients are told. */
export async function crashLoop({ sizes, serve }: World): Promise<Item> {
  const server = await serve({ fake: 'crashes-when-asked' });
  const delays = () =>
    [...server.notices().matchAll(/restart in ([\d.]+) s/g)].map(([, delay]) => Number(delay));
  try {
    const asked: Asked[] = [];
    const enough = performance.now() + 120_000;
    while (delays().length < sizes.crashes && performance.now() < enough) {
      asked.push(await ask(server.url, textChat('die')));
      await delay(50);
    }
    const fates = asked.map(({ fate, status, code }) =>
      fate === 'told' ? `${status} ${code}` : fate,
    );
    const hints = asked.filter(({ status }) => status === 503);
    const found = delays();
    return {
      id: '2',
      title: 'Crash loop',
      findings: [
        {
          what: `an engine that dies at every request, ${found.length} times`,
          found: `restarts after ${found.map((seconds) => `${seconds} s`).join(', ')}`,
          bar: 'the first at once, then later and later',
          holds:
            found[0] === 0 &&
            found.every((each, index) => index < 1 || each > (found[index - 1] ?? 0)),
        },
        {
          what: `its clients, ${asked.length} requests`,
          found: tally(fates),
          bar: 'each is told, with Retry-After while there is no engine',
          holds:
            asked.every(({ fate }) => fate === 'told') &&
            hints.every(({ headers }) => Number(headers['retry-after']) >= 1),
        },
      ],
    };
  } finally {
    await server.stop();
  }
}
