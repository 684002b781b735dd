// Pictures as phones take them: the second turn of a conversation about one, and eight distinct ones
// beside the same eight already as small as the encoder sees them.
import { aboutImage, allAnswered, chat } from './chat.mjs';
import { fact, figure, median } from './figures.mjs';
import { imagePart, photo, preResized } from './pictures.mjs';
import { planDemo, startBare, startGateway } from './servers.mjs';

export const title = '12-megapixel JPEGs';

const PHOTOS = 27;
/** So many of them first, to warm both servers up. */
const WARM_UP = 3;
const EIGHT = 8;
const REPEATS = 2;

export async function measure(bench) {
  await secondTurn(bench);
  await eightAtOnce(bench);
}

async function secondTurn(bench) {
  const plan = await planDemo(bench, 'tiny');
  const files = await Promise.all(
    Array.from({ length: PHOTOS }, (_, index) => photo(5000 + index)),
  );
  fact('one photo', `${(files[0].length / 1e6).toFixed(1)} MB, 4000 x 3000`);
  const servers = [await startBare(bench, plan), await startGateway(bench, plan)];
  const [bare, ours] = servers.map((server) => ({ server, first: [], second: [] }));
  try {
    // By turns, so that a machine that changes speed slows both.
    for (const [index, file] of files.entries()) {
      for (const each of [bare, ours]) await conversation(each, file, index >= WARM_UP);
    }
  } finally {
    for (const server of servers) await server.stop();
  }
  fact('bare: first turn, second turn', `${show(bare.first)}, ${show(bare.second)}`);
  fact('gateway: first turn, second turn', `${show(ours.first)}, ${show(ours.second)}`);
  figure('second turn beside bare', median(ours.second) / median(bare.second), { most: 0.1 });
}

async function conversation({ server: { url }, first, second }, file, counts) {
  const messages = aboutImage(imagePart(file, 'image/jpeg'), 'What is it?');
  const [one] = allAnswered([await chat(url, messages)]);
  const said = { role: 'assistant', content: one.text };
  const more = { role: 'user', content: 'And what else?' };
  const [two] = allAnswered([await chat(url, [...messages, said, more])]);
  if (!counts) return;
  first.push(one.totalMs);
  second.push(two.totalMs);
}

async function eightAtOnce(bench) {
  const plan = await planDemo(bench, 'heavy');
  const server = await startGateway(bench, plan);
  const times = { small: [], large: [] };
  try {
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      // Two sets, or the second would find the first one's pixels.
      const one = await photos(6000 + 100 * repeat);
      const other = await Promise.all((await photos(6050 + 100 * repeat)).map(preResized));
      times.small.push(await together(server, other, 'image/png'));
      times.large.push(await together(server, one, 'image/jpeg'));
    }
  } finally {
    await server.stop();
  }
  fact('eight pre-resized, eight large', `${show(times.small)}, ${show(times.large)}`);
  figure('eight large beside eight pre-resized', median(times.large) / median(times.small), {
    most: 1.15,
  });
}

function photos(seed) {
  return Promise.all(Array.from({ length: EIGHT }, (_, index) => photo(seed + index)));
}

async function together({ url }, files, type) {
  const start = performance.now();
  const asked = files.map((file) => chat(url, aboutImage(imagePart(file, type), 'What is it?')));
  allAnswered(await Promise.all(asked));
  return performance.now() - start;
}

function show(values) {
  return `${median(values).toFixed(0)} ms`;
}
