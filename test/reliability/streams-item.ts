import { ask, mediaChat, tally, textChat, troublesOf, type Asked } from './asking.ts';
import { TINY_PNG } from './png.ts';
import { ms, percentile, type Item } from './report.ts';
import type { World } from './world.ts';

const CLIENTS = 8;

/**
 * Item 9 too: more clients than slots, each asking anew as soon as it is answered. The engine closes its
 * connection behind each stream without a word, and is asked for the next one in that moment.
 */
export async function streamsInARow({ sizes, serve }: World): Promise<Item> {
  const server = await serve();
  try {
    const asked: Asked[] = [];
    let next = 0;
    const client = async () => {
      while (next < sizes.streams) {
        const stream = { stream: true };
        const body = next++ % 2 === 0 ? textChat('short', stream) : mediaChat(TINY_PNG, stream);
        asked.push(await ask(server.url, body));
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    const troubles = await troublesOf(server.url);
    const fates = asked.map(({ fate }) => fate);
    const took = asked.map((each) => each.ms);
    const times = `p50 ${ms(percentile(took, 0.5))}, p99 ${ms(percentile(took, 0.99))}`;
    return {
      id: '9',
      title: 'Streams one after another',
      findings: [
        {
          what: `${sizes.streams} short streams by ${CLIENTS} clients that never wait, half of them about an image`,
          found: `${tally(fates)}; ${times}; troubles counted: ${troubles.join(', ') || 'none'}`,
          bar: 'all answered; no trouble',
          holds: fates.every((fate) => fate === 'answered') && troubles.length === 0,
        },
      ],
    };
  } finally {
    await server.stop();
  }
}
