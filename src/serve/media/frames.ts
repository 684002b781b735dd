import { LLAMA_CPP_FPS } from '../../tokens/rules/video.ts';
import { throughFfmpeg } from './ffmpeg.ts';
import { checkPixels, overLimit, refused } from './limits.ts';
import type { Made, SentFile, Workshop } from './made.ts';
import { makeOfRaw } from './pictures.ts';
import type { RawPicture } from './decode-picture.ts';

/** `rawvideo` would not say how large the frames are. */
const PPM = ['-f', 'image2pipe', '-c:v', 'ppm'];

/** Frames at llama.cpp's own rate, each a picture of its own: for engines that read no films. */
export async function* makeFrames(
  file: SentFile,
  format: string,
  shop: Workshop,
): AsyncGenerator<Made> {
  const { maxVideoSeconds } = shop.limits;
  const most = maxVideoSeconds * LLAMA_CPP_FPS;
  const output = ['-map', '0:V:0', '-vf', `fps=${LLAMA_CPP_FPS}`, ...PPM];
  let count = 0;
  for await (const frame of framesOf(file, format, output, shop)) {
    count += 1;
    if (count > most) {
      const what = `more than ${maxVideoSeconds} s of film`;
      throw overLimit(file.place, what, maxVideoSeconds, '--max-video-seconds');
    }
    yield await makeOfRaw(file.place, frame, shop);
  }
}

/** The first frame of a film, upright; null where there is none. */
export async function firstFrame(
  file: SentFile,
  format: string,
  shop: Workshop,
): Promise<RawPicture | null> {
  const output = ['-map', '0:V:0', '-frames:v', '1', ...PPM];
  for await (const frame of framesOf(file, format, output, shop)) return frame;
  return null;
}

async function* framesOf(
  file: SentFile,
  format: string,
  output: readonly string[],
  shop: Workshop,
): AsyncGenerator<RawPicture> {
  const frames = new FrameReader(file.place, shop.limits.maxImagePixels);
  for await (const chunk of throughFfmpeg(file, format, output, shop)) yield* frames.add(chunk);
}

/** Takes ffmpeg's PPM pictures apart: `P6`, width, height, 255, then RGB. */
class FrameReader {
  readonly #place: string;
  readonly #maxPixels: number;
  #chunks: Buffer[] = [];
  #length = 0;
  /** Bytes that are there before there is anything new to look at. */
  #needed = LEAST_FRAME;

  constructor(place: string, maxPixels: number) {
    this.#place = place;
    this.#maxPixels = maxPixels;
  }

  /** The frames that are whole with this chunk. */
  *add(chunk: Buffer): Generator<RawPicture> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= this.#needed) {
      const bytes = Buffer.concat(this.#chunks);
      this.#chunks = [bytes];
      const found = this.#headOf(bytes);
      if (found === null) return;
      const [head, width, height] = found;
      const end = head + 3 * width * height;
      this.#needed = end;
      if (bytes.length < end) return;
      const data = bytes.subarray(head, end);
      const rest = bytes.subarray(end);
      this.#chunks = [rest];
      this.#length = rest.length;
      this.#needed = LEAST_FRAME;
      yield { width, height, channels: 3, data };
    }
  }

  /** null: not all of it is there. */
  #headOf(bytes: Buffer): readonly [number, number, number] | null {
    const match = /^P6\s(\d+)\s(\d+)\s255\s/.exec(bytes.toString('latin1', 0, MOST_HEAD));
    if (match === null && bytes.length < MOST_HEAD) return null;
    if (match === null) throw refused(this.#place, 'its frames cannot be read');
    const [head = '', width, height] = match;
    const size = { width: Number(width), height: Number(height) };
    checkPixels(this.#place, size, this.#maxPixels);
    return [head.length, size.width, size.height];
  }
}

/** Longer than any head. */
const MOST_HEAD = 32;
/** One pixel and its head. */
const LEAST_FRAME = 14;
