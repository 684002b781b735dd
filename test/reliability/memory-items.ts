import { ask, mediaChat, tally, type Asked } from './asking.ts';
import { tinyPng } from './png.ts';
import { type Finding, type Item } from './report.ts';
import { residentMib, type Served } from './served.ts';
import type { World } from './world.ts';

const MEMORY_LIMIT_MIB = 300;

/** Item 10: a cache folder that cannot be written costs time, not requests. */
export async function noDisk({ serve, folder }: World): Promise<Item> {
  const findings: Finding[] = [];
  const full = folder();
  const mounts = `mount -t tmpfs -o size=256k none ${full} && exec "$@"`;
  const cases: { what: string; flags: string[]; wrapper?: string[] }[] = [
    { what: 'the cache folder cannot be made', flags: ['--cache-dir', '/dev/null/cache'] },
    {
      what: 'the disk is full (a file system of 256 KiB)',
      flags: ['--cache-dir', full],
      wrapper: ['unshare', '--map-root-user', '--mount', 'sh', '-c', mounts, 'sh'],
    },
  ];
  for (const { what, flags, ...more } of cases) {
    const server = await serve({ flags, ...more }).catch((error: unknown) => String(error));
    if (typeof server === 'string') {
      findings.push({
        what,
        found: server.split('\n')[0] ?? '',
        bar: '8 of 8 answered',
        holds: false,
      });
      continue;
    }
    const asked = await images(server, 8);
    const answered = asked.filter(({ fate }) => fate === 'answered').length;
    findings.push({
      what,
      found: `${answered} of 8 answered`,
      bar: '8 of 8 answered',
      holds: answered === 8,
    });
    await server.stop();
  }
  return { id: '10', title: 'No room for the cache', findings };
}

async function images(server: Served, count: number): Promise<Asked[]> {
  const asked: Asked[] = [];
  for (let seed = 0; seed < count; seed++) {
    // Noise: each prepared file has some 100 KB.
    const bytes = tinyPng(seed, 300, 200);
    asked.push(
      await ask(server.url, mediaChat(`data:image/png;base64,${bytes.toString('base64')}`)),
    );
  }
  return asked;
}

/** Item 13: many distinct images leave nothing behind in memory. */
export async function soak({ sizes, serve }: World): Promise<Item> {
  const server = await serve();
  try {
    const samples: { readonly images: number; readonly mib: number }[] = [];
    const asked: string[] = [];
    let next = 0;
    const client = async () => {
      while (next < sizes.soakImages) {
        const seed = next++;
        if (seed % Math.ceil(sizes.soakImages / 40) === 0)
          samples.push({ images: seed, mib: residentMib(server.pid) });
        const { fate } = await ask(
          server.url,
          mediaChat(`data:image/png;base64,${tinyPng(seed).toString('base64')}`, { max_tokens: 1 }),
        );
        asked.push(fate);
      }
    };
    await Promise.all(Array.from({ length: 4 }, client));
    const steady = samples.filter(({ images: seen }) => seen >= sizes.soakImages / 4);
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
          what: 'memory of the gateway, after a quarter of them warmed it up',
          found: `${(steady[0]?.mib ?? 0).toFixed(0)} to ${last.toFixed(0)} MiB; ${growth.toFixed(2)} MiB per 1,000 images (least squares)`,
          bar: `under ${MEMORY_LIMIT_MIB} MiB${sizes.soakImages < 10_000 ? '' : ', growth under 1 MiB'}`,
          holds: last < MEMORY_LIMIT_MIB && (sizes.soakImages < 10_000 || growth < 1),
        },
      ],
    };
  } finally {
    await server.stop();
  }
}

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
