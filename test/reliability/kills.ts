import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, endless, longChat, mediaChat, randomOf, type Asked, type Chat } from './asking.ts';
import { tinyPng } from './png.ts';
import { until, type Served } from './served.ts';

export type KillRun = {
  readonly asked: readonly Asked[];
  /** Time from each kill to the first answer to a request sent after it, ms. */
  readonly backMs: readonly number[];
};

const BACK_LIMIT_MS = 60_000;
const AGAIN_MS = 100;
/** Some 100 ms of the demo model: a kill within 60 ms of an answer cuts them in the middle. */
const TOKENS = 80;

/**
 * Kills the engine again and again while `clients` ask without a pause. A kill comes only after an
 * answer of the engine's present life, at a random moment of the work in flight.
 */
export async function killUnderLoad(
  server: Served,
  { kills, clients, seed }: { kills: number; clients: number; seed: number },
): Promise<KillRun> {
  const random = randomOf(seed);
  const asked: Asked[] = [];
  let lastAnswered = -Infinity;
  let over = false;
  const client = async (number: number) => {
    for (let turn = 0; !over; turn++) {
      const sentAt = performance.now();
      const result = await ask(server.url, bodyOf(number, turn));
      asked.push(result);
      if (result.fate === 'answered') lastAnswered = Math.max(lastAnswered, sentAt);
      // A client that is told to come again does not come at once.
      else await delay(AGAIN_MS);
    }
  };
  const working = Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  const backMs: number[] = [];
  try {
    for (let kill = 0; kill < kills; kill++) {
      await delay(random() * 60);
      const pid = await until(() => server.enginePid(), BACK_LIMIT_MS);
      const killedAt = performance.now();
      process.kill(pid, 'SIGKILL');
      await until(() => (lastAnswered > killedAt ? true : undefined), BACK_LIMIT_MS);
      backMs.push(performance.now() - killedAt);
    }
  } finally {
    over = true;
    await working;
  }
  return { asked, backMs };
}

/** Half of them streams, half of them whole, every third with an image. */
function bodyOf(client: number, turn: number): Chat {
  const more = { stream: (client + turn) % 2 === 0 };
  if ((client + turn) % 3 > 0) return longChat(`client ${client}, turn ${turn}`, TOKENS, more);
  const image = tinyPng(client * 1000 + turn).toString('base64');
  const long = { ...endless(TOKENS), ...more };
  return mediaChat(`data:image/png;base64,${image}`, long);
}
