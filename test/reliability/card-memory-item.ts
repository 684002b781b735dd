import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { small } from '../helpers/encoders.ts';
import { noise, writeSmallPair } from '../helpers/small-pair.ts';
import { ask, mediaChat, tally, textChat, type Asked } from './asking.ts';
import { tinyPng } from './png.ts';
import type { Finding, Item } from './report.ts';
import type { Served } from './served.ts';
import type { World } from './world.ts';

const ANSWER_MS = 60_000;
const TEXTS = 3;
const IMAGES = 3;

/**
 * Item 12: a card whose memory is too little for the encoder. Every image kills the engine until the encoder
 * is on the CPU, images are cut down, and there is one slot less.
 */
export async function cardMemory(world: World): Promise<Item> {
  const folder = world.folder();
  // Its images have any size: what they cost can be cut down.
  const dims = small({ projectorType: 'qwen2vl_merger', imageSize: 560, merge: 2 });
  const { model, mmproj } = await writeSmallPair(folder, dims, [], noise, 'qwen2vl');
  const home = world.folder();
  const cap = ['--image-max-tokens', '256'];
  const what = [model, '--mmproj', mmproj, '--context', '8192', '--slots', '2', ...cap];
  const options = {
    what,
    home,
    fake: 'lacks-card-memory',
    env: { FAKE_ENOUGH: '--parallel 1' },
  };
  const first = await world.serve(options);
  const asked = await askAtOnce(first);
  const steps = stepsIn(first.notices());
  await first.stop();
  const log = readFileSync(join(home, 'state/mmdeploy/serve.log'), 'utf8');
  const second = await world.serve(options);
  const again = await ask(second.url, imageOf(99), { hungMs: ANSWER_MS });
  const said = second.notices();
  await second.stop();
  const plan = await world.run(['plan', ...what], options);
  return {
    id: '12',
    title: "The card's memory is too little for the encoder",
    findings: [
      {
        what: `${IMAGES} images and ${TEXTS} texts at once; each image kills the engine with CUDA's out-of-memory lines until there is one slot`,
        found: tally(asked.map(({ fate, code }) => (fate === 'told' ? code : fate))),
        bar: 'all answered once there is little enough to hold',
        holds: asked.every(({ fate }) => fate === 'answered'),
      },
      ladder(steps),
      {
        what: 'the same in the log',
        found: `${count(log, /"msg":"engine needs less memory"/g)} lines of ${steps.length}`,
        bar: 'one for each step',
        holds: count(log, /"msg":"engine needs less memory"/g) === steps.length,
      },
      {
        what: 'the next start',
        found: `${remembered(said) ? 'says that memory ran out' : 'says nothing of it'}, ${stepsIn(said).length} more steps, the image is ${again.fate}; ${/starting .*/.exec(said)?.[0].split(', ').at(-1) ?? ''}`,
        bar: 'begins where the last one ended, and says so',
        holds:
          remembered(said) &&
          stepsIn(said).length === 0 &&
          again.fate === 'answered' &&
          /starting .*, 1 slot\b/.test(said),
      },
      {
        what: '`mmdeploy plan` afterwards',
        found: remembered(plan) ? 'says that memory ran out' : 'says nothing of it',
        bar: 'is told',
        holds: remembered(plan),
      },
    ],
    details: steps.map((step) => `- ${step}`),
  };
}

function ladder(steps: readonly string[]): Finding {
  const [first, ...rest] = steps;
  const capped = rest.filter((step) => step.includes('--image-max-tokens'));
  return {
    what: 'what it was started with then',
    found: `${steps.length} steps, the last: ${steps.at(-1) ?? 'none'}`,
    bar: 'encoder to the CPU, then fewer tokens for an image, then fewer slots',
    holds:
      first === '--no-mmproj-offload' &&
      capped.length > 0 &&
      capped[0]?.includes('--parallel') === false &&
      steps.at(-1)?.includes('--parallel 1') === true,
  };
}

function askAtOnce({ url }: Served): Promise<Asked[]> {
  const limit = { hungMs: ANSWER_MS };
  return Promise.all([
    ...Array.from({ length: IMAGES }, (_, index) => ask(url, imageOf(index), limit)),
    ...Array.from({ length: TEXTS }, (_, index) => ask(url, textChat(`text ${index}`), limit)),
  ]);
}

/** Large enough for every step to make it smaller. */
function imageOf(seed: number) {
  return mediaChat(`data:image/png;base64,${tinyPng(seed, 900, 700).toString('base64')}`);
}

function stepsIn(notices: string): string[] {
  return [...notices.matchAll(/^memory .*started with (.*) from now on$/gm)].map(
    ([, flags = '']) => flags,
  );
}

const remembered = (text: string) => /ran out of memory here/.test(text);

const count = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].length;
