import { ask, mediaChat, tally } from './asking.ts';
import { tinyPng } from './png.ts';
import { type Item } from './report.ts';
import { residentMib } from './served.ts';
import type { World } from './world.ts';

const MEMORY_LIMIT_MIB = 300;
/** Full after the first few hundred images: what is kept on purpose does not grow any more. */
const CACHE = '8MiB';
/** V8 lets garbage lie while its limit is far: near enough, it is collected many times. */
const HEAP_MIB = 128;

/** Item 13: many distinct images leave nothing behind in memory. */
export async function soak({ sizes, serve }: World): Promise<Item> {
  const env = { NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}` };
  const server = await serve({ flags: ['--cache-bytes', CACHE, '--slot-cache', CACHE], env });
  try {
    const samples: Sample[] = [];
    const asked: string[] = [];
    let next = 0;
    const client = async () => {
      while (next < sizes.soakImages) {
        const seed = next++;
        if (seed % Math.ceil(sizes.soakImages / 20) === 0)
          samples.push({
            images: seed,
            mib: residentMib(server.pid),
            engineMib: residentMib(server.enginePid() ?? 0),
          });
        const { fate } = await ask(
          server.url,
          mediaChat(`data:image/png;base64,${tinyPng(seed).toString('base64')}`, { max_tokens: 1 }),
        );
        asked.push(fate);
      }
    };
    await Promise.all(Array.from({ length: 4 }, client));
    const steady = samples.filter(({ images: seen }) => seen >= sizes.soakImages / 2);
    const growth = slope(steady) * 1000;
    const last = residentMib(server.pid);
    return {
      id: '13',
      title: 'Soak',
      findings: [
        {
          what: `${sizes.soakImages} distinct images through the real engine`,
          found: tally(asked),
          bar: 'all answered',
          holds: asked.every((fate) => fate === 'answered'),
        },
        {
          what: 'memory of the gateway, after the first half warmed it up',
          found: `${(steady[0]?.mib ?? 0).toFixed(0)} to ${last.toFixed(0)} MiB; ${growth.toFixed(2)} MiB per 1,000 images (least squares)`,
          bar: `under ${MEMORY_LIMIT_MIB} MiB${sizes.soakImages < 10_000 ? '' : ', growth under 1 MiB'}`,
          holds: last < MEMORY_LIMIT_MIB && (sizes.soakImages < 10_000 || growth < 1),
        },
        {
          what: 'memory of the engine meanwhile',
          found: `${(steady[0]?.engineMib ?? 0).toFixed(0)} to ${(steady.at(-1)?.engineMib ?? 0).toFixed(0)} MiB`,
          bar: 'told: it keeps prompts of its own, up to its `--cache-ram`',
          holds: true,
        },
      ],
    };
  } finally {
    await server.stop();
  }
}

/** After so many images. */
type Sample = { readonly images: number; readonly mib: number; readonly engineMib: number };

/** MiB for each image, least squares. */
function slope(samples: readonly { readonly images: number; readonly mib: number }[]): number {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [
    mean(samples.map(({ images: seen }) => seen)),
    mean(samples.map(({ mib }) => mib)),
  ];
  let [over, under] = [0, 0];
  for (const { images: seen, mib } of samples) {
    over += (seen - x) * (mib - y);
    under += (seen - x) ** 2;
  }
  return over / under;
}
