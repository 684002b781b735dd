// Text beside images: time to the first token of text requests that come once a second while six images
// are served, and the longest gap of a text stream that runs meanwhile. One encode, the measure of the gap,
// is what a stream of the bare engine loses to one image: the most it lost when the same number of images
// came one after another, since the longest of six can only be compared with the longest of six.
import { setTimeout as delay } from 'node:timers/promises';
import { DEMO_VOCABULARY, END_TOKEN } from '../../dist/demo/tokenizer.js';
import { aboutImage, aboutText, allAnswered, chat } from './chat.mjs';
import { fact, figure, mean, median, percentiles } from './figures.mjs';
import { imagePart, tinyPng } from './pictures.mjs';
import { planDemo, startBare, startGateway } from './servers.mjs';

export const title = 'text beside images (heavy tower)';

const IMAGES = 6;
const REPEATS = 2;
const EVERY_MS = 1000;
/** The demo model's answer goes on for as long as its end is forbidden. */
const ENDLESS = { logit_bias: { [DEMO_VOCABULARY.indexOf(END_TOKEN)]: -100 } };

export async function measure(bench) {
  const plan = await planDemo(bench, 'heavy', { contextPerSlot: 16_384 });
  const bare = await textBeside(await startBare(bench, plan), 3000);
  const ours = await textBeside(await startGateway(bench, plan), 4000);
  for (const { name, ttft, burstMs, gapOfSix } of [bare, ours]) {
    fact(`${name}: TTFT of text`, percentiles(ttft));
    fact(`${name}: ${IMAGES} images`, `${(median(burstMs) / 1000).toFixed(1)} s`);
    fact(`${name}: longest gap beside ${IMAGES} images`, `${gapOfSix.toFixed(0)} ms`);
  }
  const encode = bare.gapOfOne;
  fact('one encode (longest gap of a bare stream, one image at a time)', `${encode.toFixed(0)} ms`);
  figure('mean TTFT of text beside bare', mean(ours.ttft) / mean(bare.ttft), { most: 0.4 });
  figure('longest gap beside one encode', ours.gapOfSix / encode, {
    most: 1,
    note: `bare ${(bare.gapOfSix / encode).toFixed(2)}`,
  });
}

async function textBeside(server, firstSeed) {
  const result = { name: server.name, ttft: [], burstMs: [] };
  let seed = firstSeed;
  const images = (count) =>
    Promise.all(
      Array.from({ length: count }, () => {
        const part = imagePart(tinyPng(seed++));
        return chat(server.url, aboutImage(part, 'What is it?'));
      }),
    );
  try {
    allAnswered(await images(1));
    result.gapOfOne = await gapBeside(server, async () => {
      const answers = [];
      while (answers.length < IMAGES) answers.push(...(await images(1)));
      return answers;
    });
    result.gapOfSix = await gapBeside(server, () => images(IMAGES));
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const start = performance.now();
      const done = images(IMAGES).then((answers) => {
        allAnswered(answers);
        return performance.now() - start;
      });
      const texts = await textsUntil(server, done);
      result.burstMs.push(await done);
      result.ttft.push(...allAnswered(texts).map(({ ttftMs }) => ttftMs));
    }
  } finally {
    await server.stop();
  }
  return result;
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
  allAnswered(await work());
  if (over) throw new Error('the text stream ended before the images did: its gaps say nothing');
  enough.abort();
  const [answer] = allAnswered([await stream]);
  return answer.longestGapMs;
}
