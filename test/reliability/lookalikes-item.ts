import { deflateSync } from 'node:zlib';
import { ask, counts, mediaChat } from './asking.ts';
import { pngChunk } from '../../src/estimate/png.ts';
import type { Item } from './report.ts';
import type { World } from './world.ts';

/** Item 15: pixels that are the same bytes in another shape, or mean other colours, are other images. */
export async function lookalikes({ serve }: World): Promise<Item> {
  const server = await serve();
  const names = Object.keys(LOOKALIKES);
  const send = async (bytes: Buffer) => {
    const body = mediaChat(`data:image/png;base64,${bytes.toString('base64')}`);
    const { headers, fate } = await ask(server.url, body);
    const said = String(headers['x-mmdeploy-image'] ?? '');
    return { key: fate === 'answered' ? (said.split(';')[0] ?? '') : fate, said };
  };
  try {
    const sendAll = async () => {
      const sent: Awaited<ReturnType<typeof send>>[] = [];
      for (const bytes of Object.values(LOOKALIKES)) sent.push(await send(bytes));
      return sent;
    };
    const [first, again] = [await sendAll(), await sendAll()];
    const distinct = counts(first.map(({ key }) => key)).size;
    const wrong = first.filter(({ said }) => !said.includes('hit=none')).length;
    const right = again.filter(
      ({ key, said }, at) => key === first[at]?.key && /hit=(kv|media)/.test(said),
    ).length;
    return {
      id: '15',
      title: 'Images that look alike to a careless cache',
      findings: [
        {
          what: `the same bytes as ${names.join(', ')}`,
          found: `${distinct} different images of ${names.length}, ${wrong} hits`,
          bar: `${names.length} different, no hit`,
          holds: distinct === names.length && wrong === 0,
        },
        {
          what: 'each of them once more',
          found: `${right} of ${names.length} hit their own`,
          bar: 'each its own',
          holds: right === names.length,
        },
      ],
    };
  } finally {
    await server.stop();
  }
}

/** Colour types of PNG, and the bytes of one pixel. */
const GREY = { type: 0, channels: 1 };
const RGB = { type: 2, channels: 3 };
const INDEXED = { type: 3, channels: 1 };
const RGBA = { type: 6, channels: 4 };

const PIXELS = Buffer.from(Array.from({ length: 60 * 40 * 4 }, (_, index) => (index * 7) % 251));
const palette = (shift: number) =>
  pngChunk('PLTE', Buffer.from(Array.from({ length: 768 }, (_, index) => (index + shift) % 256)));
const transparent = (index: number) => {
  const alphas = Buffer.alloc(index + 1, 255);
  alphas[index] = 0;
  return pngChunk('tRNS', alphas);
};

const LOOKALIKES: Readonly<Record<string, Buffer>> = {
  '60x40': png(60, 40, RGB),
  '40x60': png(40, 60, RGB),
  '30x80': png(30, 80, RGB),
  'with transparency': png(45, 40, RGBA),
  'grey levels': png(180, 40, GREY),
  'places in a palette': png(180, 40, INDEXED, [palette(0)]),
  'places in another palette': png(180, 40, INDEXED, [palette(9)]),
  'the palette with a transparent colour': png(180, 40, INDEXED, [palette(0), transparent(7)]),
};

/** The same bytes as an image of this shape and meaning; `more`: chunks between header and data. */
function png(
  width: number,
  height: number,
  { type, channels }: { type: number; channels: number },
  more: readonly Buffer[] = [],
): Buffer {
  const stride = width * channels;
  const rows = Array.from({ length: height }, (_, row) =>
    Buffer.concat([Buffer.alloc(1), PIXELS.subarray(row * stride, (row + 1) * stride)]),
  );
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, type, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk('IHDR', header),
    ...more,
    pngChunk('IDAT', deflateSync(Buffer.concat(rows))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}
