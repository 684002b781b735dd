import sharp, { type Sharp } from 'sharp';
import { randomOf } from './asking.ts';
import { pngChunk } from '../../src/estimate/png.ts';
import { tinyPng } from './png.ts';

/** A broken, lying or odd file: the server must read it, or say why it does not. */
export type OddFile = { readonly kind: string; readonly bytes: Buffer; readonly type: string };

type Random = () => number;
type Source = { readonly format: string; readonly bytes: Buffer; readonly type: string };
type Made = Omit<OddFile, 'kind'>;
type Make = (sources: readonly Source[], random: Random) => Made | Promise<Made>;

/** `count` files, the same for the same seed; each kind comes up equally often. */
export async function* oddFiles(seed: number, count: number): AsyncGenerator<OddFile> {
  const random = randomOf(seed);
  const sources = await goodFiles();
  const kinds = Object.entries(KINDS);
  for (let index = 0; index < count; index++) {
    const [kind, make] = kinds[index % kinds.length] ?? kinds[0] ?? [];
    if (kind === undefined || make === undefined) return;
    yield { kind, ...(await make(sources, random)) };
  }
}

async function goodFiles(): Promise<readonly Source[]> {
  const picture = () => sharp(tinyPng(1, 120, 90));
  const of = async (format: string, made: Sharp): Promise<Source> => ({
    format,
    bytes: await made.toBuffer(),
    type: `image/${format}`,
  });
  return Promise.all([
    of('png', picture().png()),
    of('jpeg', picture().jpeg()),
    of('webp', picture().webp()),
    of('gif', picture().gif()),
    of('tiff', picture().tiff()),
    of('avif', picture().avif({ effort: 0 })),
  ]);
}

const KINDS: Readonly<Record<string, Make>> = {
  'cut off': (sources, random) => {
    const { bytes, type } = pick(sources, random);
    return { bytes: bytes.subarray(0, Math.floor(random() * bytes.length)), type };
  },
  'one bit flipped': (sources, random) => flipped(pick(sources, random), random, 1),
  'a hundred bits flipped': (sources, random) => flipped(pick(sources, random), random, 100),
  'header flipped': (sources, random) => {
    const { bytes, type } = pick(sources, random);
    const copy = Buffer.from(bytes);
    for (let flip = 0; flip < 4; flip++) flipBit(copy, Math.floor(random() * 32), random);
    return { bytes: copy, type };
  },
  'another type claimed': (sources, random) => ({
    bytes: pick(sources, random).bytes,
    type: pick(sources, random).type,
  }),
  'PNG that says 0x0': () => png(sized(0, 0)),
  'PNG that says 65535x65535': () => png(sized(65_535, 65_535)),
  'PNG that says 2^31-1 wide': () => png(sized(2_147_483_647, 1)),
  'PNG larger than it says': () => png(sized(1, 1)),
  'PNG bomb of zeros': async () => png(await zeros(8000)),
  'JPEG that says 65535x65535': (sources) => {
    const { bytes } = sources.find(({ format }) => format === 'jpeg') ?? pick(sources, () => 0);
    const copy = Buffer.from(bytes);
    const frame = copy.indexOf(Buffer.from([0xff, 0xc0]));
    copy.writeUInt16BE(65_535, frame + 5);
    copy.writeUInt16BE(65_535, frame + 7);
    return { bytes: copy, type: 'image/jpeg' };
  },
  'one pixel': () => png(tinyPng(2, 1, 1)),
  'one pixel high': (_, random) => png(tinyPng(3, 500 + Math.floor(random() * 1500), 1)),
  'noise without a header': (_, random) => {
    const bytes = Buffer.from(Array.from({ length: 2000 }, () => random() * 256));
    return { bytes, type: 'image/png' };
  },
  'nothing at all': () => png(Buffer.alloc(0)),
  'two files in one': (sources, random) => {
    const [one, other] = [pick(sources, random), pick(sources, random)];
    return { bytes: Buffer.concat([one.bytes, other.bytes]), type: one.type };
  },
  'HTML behind a picture': (sources, random) => {
    const { bytes, type } = pick(sources, random);
    return { bytes: Buffer.concat([bytes, Buffer.from('<script>alert(1)</script>')]), type };
  },
  SVG: () => ({
    bytes: Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>',
    ),
    type: 'image/svg+xml',
  }),
  'JP2 signature': () => ({
    bytes: Buffer.concat([Buffer.from('0000000c6a5020200d0a870a', 'hex'), Buffer.alloc(100)]),
    type: 'image/jp2',
  }),
  'animated PNG': () => {
    const good = tinyPng(4, 20, 20);
    const control = pngChunk('acTL', Buffer.from([0, 0, 0, 2, 0, 0, 0, 0]));
    return png(Buffer.concat([good.subarray(0, 33), control, good.subarray(33)]));
  },
  'animated GIF': async (_, random) => {
    const frames = Buffer.from(Array.from({ length: 10 * 40 * 3 }, () => random() * 256));
    const raw = { width: 10, height: 40, channels: 3 as const, pageHeight: 10 };
    return { bytes: await sharp(frames, { raw }).gif().toBuffer(), type: 'image/gif' };
  },
  'CMYK JPEG': async () => ({
    bytes: await sharp(tinyPng(5)).toColourspace('cmyk').jpeg().toBuffer(),
    type: 'image/jpeg',
  }),
  '16-bit PNG': async () => png(await sharp(tinyPng(6)).toColourspace('rgb16').png().toBuffer()),
  'grey with transparency': async () =>
    png(await sharp(tinyPng(7)).greyscale().ensureAlpha(0.3).png().toBuffer()),
  'EXIF turned': async (_, random) => ({
    bytes: await sharp(tinyPng(8, 60, 20))
      .withMetadata({ orientation: 1 + Math.floor(random() * 8) })
      .jpeg()
      .toBuffer(),
    type: 'image/jpeg',
  }),
};

function pick(sources: readonly Source[], random: Random): Source {
  const source = sources[Math.floor(random() * sources.length)];
  if (source === undefined) throw new Error('there is no file to break');
  return source;
}

function flipped({ bytes, type }: Source, random: Random, flips: number) {
  const copy = Buffer.from(bytes);
  for (let flip = 0; flip < flips; flip++) {
    flipBit(copy, Math.floor(random() * copy.length), random);
  }
  return { bytes: copy, type };
}

function flipBit(bytes: Buffer, at: number, random: Random): void {
  const old = bytes[at];
  if (old !== undefined) bytes[at] = old ^ (1 << Math.floor(random() * 8));
}

const png = (bytes: Buffer) => ({ bytes, type: 'image/png' });

/** A PNG whose header lies; its checksum does not, or it would be refused for that. */
function sized(width: number, height: number): Buffer {
  const whole = tinyPng(9);
  const header = Buffer.from(whole.subarray(16, 29));
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  return Buffer.concat([whole.subarray(0, 8), pngChunk('IHDR', header), whole.subarray(33)]);
}

let bomb: Promise<Buffer> | null = null;

/** Many pixels in few bytes. */
function zeros(side: number): Promise<Buffer> {
  bomb ??= sharp({ create: { width: side, height: side, channels: 3, background: 'black' } })
    .png({ compressionLevel: 9 })
    .toBuffer();
  return bomb;
}
