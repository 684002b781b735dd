import { GatewayError } from '../gateway/errors.ts';
import { PipeError, pipeThrough } from '../../process/pipe-through.ts';
import { refused } from './limits.ts';
import type { SentFile, Workshop } from './made.ts';

/** For a file of no length; as long as it may play comes to it. */
const TIMEOUT_MS = 120_000;

/** ffmpeg's name of each container that is told by its first bytes: no other may be guessed. */
const DEMUXERS: Readonly<Record<string, string>> = {
  ...{ mp4: 'mov', m4a: 'mov', mov: 'mov', mkv: 'matroska', ogg: 'ogg', flac: 'flac' },
  ...{ mp3: 'mp3', aac: 'aac', wav: 'wav', asf: 'asf', flv: 'flv', aiff: 'aiff', amr: 'amr' },
  ...{ caf: 'caf', avi: 'avi', mpeg: 'mpeg', ts: 'mpegts' },
  ...{ gif: 'gif', apng: 'apng', avif: 'mov' },
};

/**
 * What ffmpeg makes of a file, piece by piece. It reads its standard input and nothing else: playlists
 * and films may name other files and addresses. `cache` is its own temporary copy, which it needs to go
 * back in (an MP4 whose table stands at the end). `report` gets what it writes to `pipe:3`. Throws `NoFfmpeg`
 * where there is none, `NoPictures` where a film was asked for and there is none in it.
 */
export async function* throughFfmpeg(
  { place, bytes }: SentFile,
  format: string,
  output: readonly string[],
  { signal, limits, ffmpeg }: Workshop,
  report?: (text: string) => void,
): AsyncGenerator<Buffer> {
  const demuxer = DEMUXERS[format];
  if (demuxer === undefined) throw refused(place, `${format} is not read here`);
  const quiet = ['-v', 'error', '-nostdin', '-xerror', '-protocol_whitelist', 'pipe,cache'];
  const bounds = ['-max_pixels', `${limits.maxImagePixels}`, '-read_ahead_limit', '-1'];
  const input = [...bounds, '-f', demuxer, '-i', 'cache:pipe:0'];
  try {
    yield* pipeThrough(ffmpeg, [...quiet, ...input, ...output, 'pipe:1'], {
      input: bytes,
      timeoutMs: TIMEOUT_MS + 1000 * limits.maxVideoSeconds,
      signal,
      env: quietEnv(process.env),
      ...(report === undefined ? {} : { report }),
    });
  } catch (error) {
    if (!(error instanceof PipeError)) throw error;
    if (error.reason === 'not-found') throw new NoFfmpeg();
    if (NO_PICTURES.test(error.said)) throw new NoPictures();
    throw refused(place, `it does not decode: ${error.message}`);
  }
}

const NO_PICTURES = /0:V:0.*matches no streams/;

/** What a program needs to start: a file that takes it over finds no key or token there. */
function quietEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = /^(PATH|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|SYSTEMROOT|TMPDIR|TEMP|TMP)$/i;
  return Object.fromEntries(Object.entries(env).filter(([name]) => names.test(name)));
}

/** The file has sound, or a cover, and no film. */
export class NoPictures extends Error {
  constructor() {
    super('there are no pictures in it');
    this.name = 'NoPictures';
  }
}

/** There is none in PATH. */
export class NoFfmpeg extends Error {
  constructor() {
    super('there is no ffmpeg in PATH');
    this.name = 'NoFfmpeg';
  }
}

/** 501: nothing is wrong with the file, and the operator can change it. */
export function needsFfmpeg(place: string): GatewayError {
  const why = 'films are taken apart by ffmpeg, and this server has none in its PATH';
  const message = `\`${place}\`: ${why}: install ffmpeg, or send frames as images`;
  return new GatewayError(501, 'ffmpeg_missing', message);
}
