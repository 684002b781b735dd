import type { ImageSize } from '../../tokens/rules/define.ts';
import { LLAMA_CPP_FPS } from '../../tokens/rules/video.ts';
import { NoFfmpeg, needsFfmpeg, NoPictures, throughFfmpeg } from './ffmpeg.ts';
import { firstFrame, makeFrames } from './frames.ts';
import { mostFrames, tooManyFrames } from './frame-limit.ts';
import { overLimit, refused } from './limits.ts';
import type { Made, SentFile, Workshop } from './made.ts';
import { wantedSize } from './pictures.ts';

/**
 * A film as the engine takes it: a file of ours, or its frames as pictures where the engine reads no films.
 * 501 where there is no ffmpeg.
 */
export async function* makeFilm(
  file: SentFile,
  format: string,
  shop: Workshop,
): AsyncGenerator<Made> {
  const { place } = file;
  let count = 0;
  try {
    const made = shop.films ? filmOf(file, format, shop) : makeFrames(file, format, shop);
    for await (const each of made) {
      count += 1;
      yield each;
    }
  } catch (error) {
    if (error instanceof NoPictures) {
      throw refused(place, 'there are no pictures in it: send it as `input_audio`');
    }
    throw error instanceof NoFfmpeg ? needsFfmpeg(place) : error;
  }
  if (count === 0) throw refused(place, NO_FRAME);
}

const NO_FRAME = `no frame is left of it: ${LLAMA_CPP_FPS} a second are taken, and it is shorter than half of that`;

/**
 * The film itself, made anew: frames at llama.cpp's own rate, upright, at the size that the model sees, in
 * NUT with each frame whole and lossless. From it llama.cpp takes the frames that it would take from the film
 * that was sent (to the pixel, where they are not resized), and writes its own title and timestamps between.
 */
async function* filmOf(file: SentFile, format: string, shop: Workshop): AsyncGenerator<Made> {
  const first = await firstFrame(file, format, shop);
  if (first === null) return;
  const size = wantedSize(file.place, first, shop);
  const { bytes, frames } = await shop.gate.run(
    first.width * first.height * DECODER_FRAMES,
    shop.signal,
    () => encoded(file, format, size, shop),
  );
  if (frames === 0) return;
  yield {
    meta: { kind: 'video', format: 'nut', width: size.width, height: size.height, frames },
    samples: bytes,
    encode: () => Promise.resolve(bytes),
  };
}

/** A decoder holds several frames that others are told by. */
const DECODER_FRAMES = 8;

/**
 * Of the containers that ffmpeg writes to a pipe, NUT is the one that it reads back from a pipe with the
 * rate and the last frame's length as they were: Matroska says no rate of short films, and AVI lacks its
 * index. FFV1 is lossless and in every build of ffmpeg. No metadata, no clock: the same pixels are the same
 * file, which is what the engine knows it by.
 */
const CLEAN = [
  ...['-c:v', 'ffv1', '-level', '3', '-g', '1', '-slices', '4', '-pix_fmt', 'bgr0'],
  ...['-map_metadata', '-1', '-fflags', '+bitexact', '-flags:v', '+bitexact', '-f', 'nut'],
];

/** What the engine reads into memory, and what is sent there once more. */
const MOST_BYTES = 512 * 1024 * 1024;

async function encoded(
  file: SentFile,
  format: string,
  { width, height }: ImageSize,
  shop: Workshop,
): Promise<{ readonly bytes: Uint8Array; readonly frames: number }> {
  const { maxVideoSeconds } = shop.limits;
  const most = mostFrames({ width, height }, maxVideoSeconds, shop.rules);
  const output = [
    ...['-map', '0:V:0', '-vf', `fps=${LLAMA_CPP_FPS},scale=${width}:${height}`],
    ...['-frames:v', `${most + 1}`, ...CLEAN, '-progress', 'pipe:3'],
  ];
  const chunks: Buffer[] = [];
  let length = 0;
  const told = { progress: '' };
  const report = (text: string) => {
    told.progress = (told.progress + text).slice(-PROGRESS_CHARACTERS);
  };
  for await (const chunk of throughFfmpeg(file, format, output, shop, report)) {
    length += chunk.length;
    if (length > MOST_BYTES) {
      const what = `frames of more than ${MOST_BYTES} bytes`;
      throw overLimit(file.place, what, maxVideoSeconds, '--max-video-seconds');
    }
    chunks.push(chunk);
  }
  const frames = framesIn(told.progress);
  if (frames > most) throw tooManyFrames(file.place, { width, height }, most, shop);
  return { bytes: Buffer.concat(chunks), frames };
}

/** One report of ffmpeg's is some 250. */
const PROGRESS_CHARACTERS = 4096;

/** The last of the reports, which ends with `progress=end`. */
function framesIn(progress: string): number {
  const last = [...progress.matchAll(/^frame=\s*(\d+)$/gm)].at(-1);
  if (last === undefined) throw new Error('ffmpeg did not say how many frames it wrote');
  return Number(last[1]);
}
