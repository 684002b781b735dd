// The same new image from four clients at once: how often it is encoded, and how long all four take.
import { aboutImage, allAnswered, chat } from './chat.mjs';
import { fact, figure, median } from './figures.mjs';
import { imagePart, tinyPng } from './pictures.mjs';
import { planDemo, startBare, startGateway } from './servers.mjs';

export const title = 'same new image from 4 clients at once (heavy tower)';

const CLIENTS = 4;
const REPEATS = 3;

export async function measure(bench) {
  const plan = await planDemo(bench, 'heavy');
  const bare = await four(await startBare(bench, plan), 1000);
  const ours = await four(await startGateway(bench, plan), 2000);
  const each = ({ encodes }) => encodes.join(', ');
  fact('bare: encodes, total', `${each(bare)}; ${median(bare.ms).toFixed(0)} ms`);
  fact('gateway: encodes, total', `${each(ours)}; ${median(ours.ms).toFixed(0)} ms`);
  figure('encodes through the gateway', Math.max(...ours.encodes), { most: 1, digits: 0 });
  figure('total time beside bare', median(ours.ms) / median(bare.ms), { most: 0.35 });
}

async function four(server, seed) {
  const result = { encodes: [], ms: [] };
  try {
    allAnswered([await ask(server, seed, 'warm up')]);
    for (let repeat = 1; repeat <= REPEATS; repeat++) {
      const before = server.encodes();
      const answers = await Promise.all(
        Array.from({ length: CLIENTS }, (_, client) =>
          ask(server, seed + repeat, `question number ${client}`),
        ),
      );
      allAnswered(answers);
      result.ms.push(Math.max(...answers.map(({ totalMs }) => totalMs)));
      result.encodes.push(server.encodes() - before);
    }
  } finally {
    await server.stop();
  }
  return result;
}

function ask({ url }, seed, question) {
  return chat(url, aboutImage(imagePart(tinyPng(seed)), question));
}
