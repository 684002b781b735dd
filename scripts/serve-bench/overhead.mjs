// What the gateway costs where there is nothing for it to do: text in front of a trivial upstream, and large
// bodies whose image it knows already.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { blast, rawRequest } from './blast.mjs';
import { aboutImage, aboutText, chat } from './chat.mjs';
import { fact, figure, median, percentile, percentiles } from './figures.mjs';
import { heavyPng, imagePart } from './pictures.mjs';
import { planDemo, startGateway } from './servers.mjs';

export const title = 'what the gateway costs (trivial upstream)';

export const UPSTREAM = fileURLToPath(new URL('upstream.mjs', import.meta.url));
const ROUNDS = 3;
const SECONDS = 3;
const CONNECTIONS = 32;
const STREAMS = 20;
const LARGE_BYTES = 700_000;

export async function measure(bench) {
  if (availableParallelism() > 2) {
    fact(
      'cores',
      `${availableParallelism()}: the targets are those of 2, as by \`taskset -c 0,1\``,
    );
  }
  const direct = await startDirect(bench);
  const gateway = await startGateway(
    bench,
    await planDemo(bench, 'tiny', { contextPerSlot: 1024, slots: CONNECTIONS }),
    { engine: UPSTREAM },
  );
  try {
    await latency(direct, gateway);
    await rates(direct, gateway);
    await streams(direct, gateway);
    await largeBodies(gateway);
  } finally {
    await gateway.stop();
    direct.child.kill('SIGKILL');
  }
}

async function startDirect(bench) {
  const child = spawn(UPSTREAM, ['--host', '127.0.0.1', '--port', '0'], {
    env: bench.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const url = await new Promise((resolve) => {
    child.stderr.on('data', (text) => resolve(/http:\S+/.exec(text)[0]));
  });
  return { child, url };
}

const TEXT = JSON.stringify({
  model: 'demo',
  messages: aboutText('Say something.'),
  max_tokens: 8,
});

async function latency(direct, gateway) {
  const [plain, ours] = await alternately(direct, gateway, 1);
  const all = (rounds) => rounds.flatMap(({ latencies }) => latencies);
  fact('direct, 1 connection', percentiles(all(plain), 2));
  fact('gateway, 1 connection', percentiles(all(ours), 2));
  const added = percentile(all(ours), 0.5) - percentile(all(plain), 0.5);
  figure('added latency, p50', added, { most: 0.6, unit: ' ms' });
}

async function rates(direct, gateway) {
  const [plain, ours] = await alternately(direct, gateway, CONNECTIONS);
  const rate = (rounds) => median(rounds.map((each) => each.rate));
  fact(`direct, ${CONNECTIONS} connections`, `${rate(plain).toFixed(0)}/s`);
  fact(`gateway, ${CONNECTIONS} connections`, `${rate(ours).toFixed(0)}/s`);
  figure('rate beside direct', rate(ours) / rate(plain), { least: 0.15 });
}

/** Warm-up, then direct, gateway, direct, gateway …: a machine that changes speed slows both. */
async function alternately(direct, gateway, connections) {
  const rounds = [[], []];
  for (let round = -1; round < ROUNDS; round++) {
    for (const [index, { url }] of [direct, gateway].entries()) {
      const request = rawRequest(url, TEXT);
      const result = await blast(url, connections, round < 0 ? 1 : SECONDS, () => request);
      if (round >= 0) rounds[index].push(result);
    }
  }
  return rounds;
}

/** Each event carries the time it was sent at; the delay of the client itself is in both. */
async function streams(direct, gateway) {
  const delays = [[], []];
  for (let round = -1; round < ROUNDS; round++) {
    for (const [index, { url }] of [direct, gateway].entries()) {
      const some = Array.from({ length: STREAMS }, () => delaysOf(url));
      const found = await Promise.all(some);
      if (round >= 0) delays[index].push(...found.flat());
    }
  }
  const [plain, ours] = delays;
  fact(`direct, ${STREAMS} streams of 100/s: delay`, percentiles(plain, 2));
  fact(`gateway, ${STREAMS} streams of 100/s: delay`, percentiles(ours, 2));
  const added = percentile(ours, 0.5) - percentile(plain, 0.5);
  figure('streams delayed, p50', added, { most: 1, unit: ' ms' });
}

async function delaysOf(url) {
  const delays = [];
  await chat(url, aboutText('Say something.'), {
    onToken: (text) => delays.push(Number(process.hrtime.bigint() - BigInt(text)) / 1e6),
  });
  return delays;
}

async function largeBodies({ url }) {
  const image = heavyPng(7, LARGE_BYTES * (3 / 4));
  const messages = aboutImage(imagePart(image), 'What is it?');
  const body = JSON.stringify({ model: 'demo', messages, max_tokens: 8 });
  const request = rawRequest(url, body);
  await blast(url, 1, 1, () => request);
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push((await blast(url, 8, SECONDS, () => request)).rate);
  }
  figure(`${(body.length / 1000).toFixed(0)} KB bodies, image known`, median(rounds), {
    least: 400,
    digits: 0,
    unit: '/s',
  });
}
