import { ask, mediaChat, tally, textChat, type Asked } from './asking.ts';
import { openCanary } from './canary.ts';
import { oddFiles } from './odd-files.ts';
import { tinyPng } from './png.ts';
import { privateAddresses } from './private-addresses.ts';
import { type Finding, type Item } from './report.ts';
import { residentMib } from './served.ts';
import type { World } from './world.ts';

const AT_ONCE = 8;
const MEMORY_LIMIT_MIB = 300;
const SEED = 20261122;

/**
 * Items 5 and 6: files that no encoder would have written. Each is answered with its image counted, or
 * refused by a 4xx with a reason; nothing else.
 */
export async function malformedMedia({ sizes, serve }: World): Promise<Item> {
  const server = await serve();
  try {
    const engine = server.enginePid();
    const results: { kind: string; asked: Asked }[] = [];
    let peak = residentMib(server.pid);
    const watch = setInterval(() => (peak = Math.max(peak, residentMib(server.pid))), 50);
    const files = oddFiles(SEED, sizes.malformed);
    const client = async () => {
      for (;;) {
        const next = await files.next();
        if (next.done === true) return;
        const { kind, bytes, type } = next.value;
        const asked = await ask(
          server.url,
          mediaChat(`data:${type};base64,${bytes.toString('base64')}`),
        );
        results.push({ kind, asked });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, client));
    clearInterval(watch);
    const told = results.filter(
      ({ asked }) => asked.fate !== 'answered' && asked.fate !== 'refused',
    );
    const unseen = results.filter(({ asked }) => asked.fate === 'answered' && !sawImage(asked));
    const alive = await ask(server.url, textChat('still there?'));
    return {
      id: '5, 6',
      title: 'Malformed media',
      findings: [
        {
          what: `${results.length} malformed files (seed ${SEED})`,
          found: tally(results.map(({ asked }) => asked.fate)),
          bar: 'answered, or refused with a reason (4xx)',
          holds: told.length === 0 && results.length === sizes.malformed,
        },
        {
          what: 'answered without a word of the image',
          found: String(unseen.length),
          bar: '0',
          holds: unseen.length === 0,
        },
        {
          what: 'the engine meanwhile',
          found:
            engine === server.enginePid() && alive.fate === 'answered'
              ? 'the same process'
              : 'another process',
          bar: 'the same process',
          holds: engine === server.enginePid() && alive.fate === 'answered',
        },
        {
          what: 'memory of the gateway meanwhile',
          found: `at most ${peak.toFixed(0)} MiB`,
          bar: `under ${2 * MEMORY_LIMIT_MIB} MiB`,
          holds: peak < 2 * MEMORY_LIMIT_MIB,
        },
      ],
      details: kindsTable(results),
    };
  } finally {
    await server.stop();
  }
}

/** The answer says which image it is about. */
function sawImage({ headers }: Asked): boolean {
  return String(headers['x-mmdeploy-image'] ?? '').includes('tok');
}

function kindsTable(results: readonly { kind: string; asked: Asked }[]): string[] {
  const kinds = [...new Set(results.map(({ kind }) => kind))].sort();
  return [
    '| kind | files | what became of them |',
    '| --- | --- | --- |',
    ...kinds.map((kind) => {
      const own = results.filter((each) => each.kind === kind);
      const outcomes = own.map(({ asked }) =>
        asked.fate === 'answered' ? 'answered' : `${asked.status} ${asked.code}`,
      );
      return `| ${kind} | ${own.length} | ${tally(outcomes)} |`;
    }),
  ];
}

/** Item 7: addresses behind which a server could be asked for what its client may not see. */
export async function addressesNotFetched({ serve }: World): Promise<Item> {
  const canary = await openCanary();
  const findings: Finding[] = [];
  const details: string[] = [
    '| address | by default | with `--allow-remote-media` |',
    '| --- | --- | --- |',
  ];
  try {
    const urls = privateAddresses(canary.port);
    const outcomes: string[][] = [];
    for (const flags of [[], allowAll(urls)]) {
      const server = await serve({ flags });
      const asked: Asked[] = [];
      for (const url of urls) asked.push(await ask(server.url, mediaChat(url), { hungMs: 30_000 }));
      await server.stop();
      outcomes.push(asked.map(({ status, code }) => `${status} ${code}`));
      findings.push({
        what: `${urls.length} addresses ${flags.length === 0 ? 'by default' : 'with every one of their hosts allowed'}`,
        found: `${tally(asked.map(({ fate }) => fate))}; ${canary.reached()} connections at the canary`,
        bar: 'none answered, each told why, 0 connections',
        // A name that nobody can resolve is a 502.
        holds:
          asked.every(({ fate }) => fate === 'refused' || fate === 'told') &&
          canary.reached() === 0,
      });
    }
    urls.forEach((url, index) => {
      details.push(
        `| \`${url.replaceAll(String(canary.port), 'PORT')}\` | ${outcomes[0]?.[index] ?? ''} | ${outcomes[1]?.[index] ?? ''} |`,
      );
    });
  } finally {
    await canary.close();
  }
  return { id: '7', title: 'Addresses that must not be fetched', findings, details };
}

/** Hosts as a careless operator would allow them. */
function allowAll(urls: readonly string[]): string[] {
  const hosts = new Set<string>();
  for (const url of urls) {
    const host = /^https?:\/\/(?:[^@/]*@)?(\[[^\]]+\]|[^/:?#]+)/i.exec(url)?.[1];
    if (host !== undefined) hosts.add(host);
  }
  return ['--allow-remote-media', [...hosts].join(',')];
}

const MARKERS = [
  '<__media__>',
  '<__media__><__media__>',
  '<image>',
  '<img>',
  '[IMG]',
  '<|vision_start|><|image_pad|><|vision_end|>',
];
/** Of an image of the demo model. */
const IMAGE_TOKENS = 576;

/** Item 16: what looks like a place for an image is text where a client typed it. */
export async function typedMarkers({ serve }: World): Promise<Item> {
  const server = await serve();
  const picture = `data:image/png;base64,${tinyPng(1).toString('base64')}`;
  const images = async (marker: string, content: unknown) => {
    const { fate, promptTokens } = await ask(server.url, {
      ...textChat(''),
      messages: [{ role: 'user', content }],
    });
    // What is refused with a reason was seen, too.
    if (fate !== 'answered') return `${marker}: ${fate}`;
    return Math.floor((promptTokens ?? Infinity) / IMAGE_TOKENS);
  };
  try {
    const alone: (number | string)[] = [];
    const beside: (number | string)[] = [];
    for (const marker of MARKERS) {
      alone.push(await images(marker, `What is ${marker} here?`));
      const text = { type: 'text', text: `Before ${marker}` };
      beside.push(await images(marker, [text, { type: 'image_url', image_url: { url: picture } }]));
    }
    const finding = (what: string, found: readonly (number | string)[], each: number): Finding => ({
      what: `${MARKERS.length} markers typed as text, ${what}`,
      found: `images in the prompt: ${found.join(', ')}`,
      bar: `${each} each, or refused with a reason`,
      holds: found.every((one) => one === each || String(one).endsWith('refused')),
    });
    return {
      id: '16',
      title: 'Markers typed as text',
      findings: [finding('alone', alone, 0), finding('beside an image', beside, 1)],
    };
  } finally {
    await server.stop();
  }
}
