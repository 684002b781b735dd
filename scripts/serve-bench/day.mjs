// A day's mix of repeats under one system prompt, by four clients: few images are asked about often, most
// of them seldom. How often each is encoded, and what that does to the time to the first token.
import { aboutImage, allAnswered, chat } from './chat.mjs';
import { fact, figure, percentiles } from './figures.mjs';
import { imagePart, randomOf, tinyPng } from './pictures.mjs';
import { planDemo, startBare, startGateway } from './servers.mjs';

export const title = "a day's mix of repeats (middle tower)";

const SEED = 20261122;
const IMAGES = 24;
const REQUESTS = 120;
const CLIENTS = 4;

export async function measure(bench) {
  const plan = await planDemo(bench, 'middle');
  const mix = requests();
  const unique = new Set(mix).size;
  const bare = await serveMix(await startBare(bench, plan), mix);
  const ours = await serveMix(await startGateway(bench, plan), mix);
  for (const { name, first, again, seconds, encodes } of [bare, ours]) {
    fact(`${name}: first sight of an image, TTFT`, percentiles(first));
    fact(`${name}: seen before, TTFT`, percentiles(again));
    fact(`${name}: images/s, encodes`, `${(mix.length / seconds).toFixed(2)}, ${encodes}`);
  }
  figure('encodes per unique image', ours.encodes / unique, {
    most: 1,
    note: `${unique} images, ${mix.length} requests; bare ${(bare.encodes / unique).toFixed(2)}`,
  });
  fact('time for all beside bare', (ours.seconds / bare.seconds).toFixed(2));
}

/** Zipf: the n-th image is asked about in proportion to 1/n. */
function requests() {
  const random = randomOf(SEED);
  const weights = Array.from({ length: IMAGES }, (_, index) => 1 / (index + 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Array.from({ length: REQUESTS }, () => {
    let left = random() * total;
    return weights.findIndex((weight) => (left -= weight) < 0);
  });
}

async function serveMix(server, mix) {
  const result = { name: server.name, first: [], again: [] };
  try {
    allAnswered([await chat(server.url, aboutImage(imagePart(tinyPng(1)), 'warm up'))]);
    const before = server.encodes();
    const start = performance.now();
    const seen = new Set();
    let next = 0;
    const client = async () => {
      while (next < mix.length) {
        const number = next++;
        const image = mix[number];
        const times = seen.has(image) ? result.again : result.first;
        seen.add(image);
        const part = imagePart(tinyPng(SEED + image));
        const answer = await chat(server.url, aboutImage(part, `question number ${number}`));
        allAnswered([answer]);
        times.push(answer.ttftMs);
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    result.seconds = (performance.now() - start) / 1000;
    result.encodes = server.encodes() - before;
  } finally {
    await server.stop();
  }
  return result;
}
