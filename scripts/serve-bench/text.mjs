// Text beside images: time to the first token of text requests that come once a second while six images
// are served, and the longest gap of a text stream that runs meanwhile. One encode, the measure of the gap,
// is what a stream of the bare engine loses to one image: the most it lost when the same number of images
// came one after another, since the longest of six can only be compared with the longest of six. Both are
// measured by turns, since encodes of one machine differ by a tenth from one minute to the next, and what is
// compared is the mean of the turns' ratios, known to within twice its standard error.
import { setTimeout as delay } from 'node:timers/promises';
import { DEMO_VOCABULARY, END_TOKEN } from '../../dist/demo/tokenizer.js';
import { aboutImage, aboutText, allAnswered, chat } from './chat.mjs';
import { fact, figure, mean, median, percentiles, standardError } from './figures.mjs';
import { imagePart, tinyPng } from './pictures.mjs';
import { planDemo, startBare, startGateway } from './servers.mjs';

export const title = 'text beside images (heavy tower)';

const IMAGES = 6;
const REPEATS = 2;
const TURNS = 4;
const EVERY_MS = 1000;
/** The demo model's answer goes on for as long as its end is forbidden. */
const ENDLESS = { logit_bias: { [DEMO_VOCABULARY.indexOf(END_TOKEN)]: -100 } };

export async function measure(bench) {
  const plan = await planDemo(bench, 'heavy', { contextPerSlot: 16_384 });
  const servers = [await startBare(bench, plan), await startGateway(bench, plan)];
  try {
    const [bare, ours] = servers.map((server, index) => watched(server, 3000 + 1000 * index));
    for (const each of [bare, ours]) allAnswered(await each.images(1));
    bare.six.push(await gapBeside(bare.server, () => bare.images(IMAGES)));
    for (let turn = 0; turn < TURNS; turn++) await gapsOf(bare, ours);
    for (const each of [bare, ours]) await ttftsOf(each);
    report(bare, ours);
  } finally {
    for (const server of servers) await server.stop();
  }
}

/** A server with what was seen of it, and images that it has never seen. */
function watched(server, firstSeed) {
  let seed = firstSeed;
  const image = () =>
    chat(server.url, aboutImage(imagePart(tinyPng(seed++)), 'What is it?')).then(
      (answer) => allAnswered([answer])[0],
    );
  const images = (count) => Promise.all(Array.from({ length: count }, image));
  return { server, images, one: [], six: [], ttft: [], burstMs: [] };
}

async function gapsOf(bare, ours) {
  bare.one.push(
    await gapBeside(bare.server, async () => {
      for (let count = 0; count < IMAGES; count++) await bare.images(1);
    }),
  );
  ours.six.push(await gapBeside(ours.server, () => ours.images(IMAGES)));
}

async function ttftsOf({ server, images, ttft, burstMs }) {
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const start = performance.now();
    const done = images(IMAGES).then(() => performance.now() - start);
    const texts = await textsUntil(server, done);
    burstMs.push(await done);
    ttft.push(...allAnswered(texts).map(({ ttftMs }) => ttftMs));
  }
}

function report(bare, ours) {
  for (const { server, ttft, burstMs, six } of [bare, ours]) {
    fact(`${server.name}: TTFT of text`, percentiles(ttft));
    fact(`${server.name}: ${IMAGES} images`, `${(median(burstMs) / 1000).toFixed(1)} s`);
    fact(`${server.name}: longest gap beside ${IMAGES} images`, inMs(six));
  }
  fact('one encode (longest gap of a bare stream, one image at a time)', inMs(bare.one));
  figure('mean TTFT of text beside bare', mean(ours.ttft) / mean(bare.ttft), { most: 0.4 });
  const ratios = ours.six.map((gap, turn) => gap / bare.one[turn]);
  figure('longest gap beside one encode', mean(ratios), {
    most: 1,
    noise: 2 * standardError(ratios),
    note: `bare ${(mean(bare.six) / mean(bare.one)).toFixed(2)}`,
  });
}

function inMs(turns) {
  return `${turns.map((ms) => ms.toFixed(0)).join(', ')} ms`;
}

/** Text requests at fixed times, answered or not, while `done` is pending. */
async function textsUntil({ url }, done) {
  const sent = [];
  let running = true;
  void done.finally(() => (running = false)).catch(() => undefined);
  await delay(EVERY_MS / 2);
  while (running) {
    sent.push(chat(url, aboutText(`Say something about number ${sent.length}.`)));
    await delay(EVERY_MS);
  }
  return Promise.all(sent);
}

/** Longest gap of a text stream that ran before `work`, during it and after it. */
async function gapBeside({ url }, work) {
  let begun;
  const first = new Promise((resolve) => (begun = resolve));
  const enough = new AbortController();
  const stream = chat(url, aboutText('Go on for ever.'), {
    maxTokens: 15_000,
    fields: ENDLESS,
    onFirst: begun,
    signal: enough.signal,
  });
  await Promise.race([first, stream]);
  let over = false;
  void stream.finally(() => (over = true)).catch(() => undefined);
  await work();
  if (over) throw new Error('the text stream ended before the images did: its gaps say nothing');
  enough.abort();
  const [answer] = allAnswered([await stream]);
  return answer.longestGapMs;
}
