import { LLAMA_CPP_FPS } from '../../tokens/rules/video.ts';
import { NoFfmpeg, needsFfmpeg, throughFfmpeg } from './ffmpeg.ts';
import { checkPixels, overLimit, refused } from './limits.ts';
import type { Made, SentFile, Workshop } from './made.ts';
import { makeOfRaw } from './pictures.ts';
import type { RawPicture } from './decode-picture.ts';

/** Frames at llama.cpp's own rate, each a picture of its own. 501 where there is no ffmpeg. */
export async function* makeFrames(
  file: SentFile,
  format: string,
  shop: Workshop,
): AsyncGenerator<Made> {
  const { maxVideoSeconds, maxImagePixels } = shop.limits;
  const most = maxVideoSeconds * LLAMA_CPP_FPS;
  const frames = new FrameReader(file.place, maxImagePixels);
  let count = 0;
  try {
    for await (const chunk of throughFfmpeg(file, format, FRAMES, shop)) {
      for (const frame of frames.add(chunk)) {
        count += 1;
        if (count > most) {
          const what = `more than ${maxVideoSeconds} s of film`;
          throw overLimit(file.place, what, maxVideoSeconds, '--max-video-seconds');
        }
        yield await makeOfRaw(file.place, frame, shop);
      }
    }
  } catch (error) {
    throw error instanceof NoFfmpeg ? needsFfmpeg(file.place) : error;
  }
  if (count === 0) throw refused(file.place, 'there is no film in it');
}

/** `rawvideo` would not say how large the frames are. */
const FRAMES = [
  ...['-map', '0:v:0', '-an', '-vf', `fps=${LLAMA_CPP_FPS}`],
  ...['-f', 'image2pipe', '-c:v', 'ppm'],
];

/** Takes ffmpeg's PPM pictures apart: `P6`, width, height, 255, then RGB. */
class FrameReader {
  readonly #place: string;
  readonly #maxPixels: number;
  #chunks: Buffer[] = [];
  #length = 0;
  /** Bytes that are there before there is anything new to look at. */
  #needed = MOST_HEAD;

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
      const [head, width, height] = this.#headOf(bytes);
      const end = head + 3 * width * height;
      this.#needed = end;
      this.#chunks = [bytes];
      if (bytes.length < end) return;
      const data = bytes.subarray(head, end);
      const rest = bytes.subarray(end);
      this.#chunks = [rest];
      this.#length = rest.length;
      this.#needed = MOST_HEAD;
      yield { width, height, channels: 3, data };
    }
  }

  #headOf(bytes: Buffer): readonly [number, number, number] {
    const match = /^P6\s(\d+)\s(\d+)\s255\s/.exec(bytes.toString('latin1', 0, MOST_HEAD));
    if (match === null) throw refused(this.#place, 'its frames cannot be read');
    const [head = '', width, height] = match;
    const size = { width: Number(width), height: Number(height) };
    checkPixels(this.#place, size, this.#maxPixels);
    return [head.length, size.width, size.height];
  }
}

/** Longer than any head, and shorter than the smallest frame with its head would matter. */
const MOST_HEAD = 32;
