import type { Input, InputAudioTrack, InputTrack, InputVideoTrack } from 'mediabunny';
import type { EstimateInput } from '../../contracts/estimate.ts';
import { audioInput, videoInput } from '../describe-input.ts';
import { mp3Samples, resampled } from './miniaudio.ts';
import { readMp3Head } from './mp3-head.ts';
import type { ReadableFile, ReadResult } from './types.ts';

/** A file that was made to be walked through for ever is given up. */
const TIMEOUT_MS = 30_000;
const CACHE_BYTES = 4 * 1024 * 1024;
/** So many packets tell the frames a second. */
const RATE_PACKETS = 256;

const DAMAGED = 'damaged or truncated: no sound or film of a known length in it';

/**
 * Length of a sound or film, and size of a film, by the packets that are there: headers of MP3 and AAC
 * only guess. Nothing is decoded, and the file is read by ranges.
 */
export async function readSoundOrFilm(
  file: ReadableFile,
  format: string,
  signal: AbortSignal,
): Promise<ReadResult> {
  const { ALL_FORMATS, FilePathSource, FLAC, HLS, Input, Logging, LogLevel } =
    await import('mediabunny');
  Logging.level = LogLevel.Silent;
  const source = new FilePathSource(file.absolute, {
    maxCacheSize: CACHE_BYTES,
    // A read ahead that fails after the answer is there must not end the program.
    handleUnhandledError: () => undefined,
  });
  // HLS is a list of other files and addresses, which nobody named; FLAC see `flac.ts`.
  const formats = ALL_FORMATS.filter((each) => each !== HLS && each !== FLAC);
  const input = new Input({ source, formats });
  const limit = { passed: false };
  const timer = setTimeout(() => {
    limit.passed = true;
    input.dispose();
  }, TIMEOUT_MS);
  try {
    const found = await inputOf(file, format, input);
    return [typeof found === 'string' ? { path: file.path, reason: found } : found];
  } catch {
    signal.throwIfAborted();
    const reason = limit.passed ? 'its length was not found in 30 s' : DAMAGED;
    return [{ path: file.path, reason }];
  } finally {
    clearTimeout(timer);
    input.dispose();
  }
}

/** The input that the tracks come to, or why there is none. */
async function inputOf(
  file: ReadableFile,
  format: string,
  input: Input,
): Promise<EstimateInput | string> {
  const film = await input.getPrimaryVideoTrack();
  const sound = await input.getPrimaryAudioTrack();
  if (film !== null) return filmOf(file.path, format, film, sound);
  if (sound === null) return DAMAGED;
  const found = (await paceOf(sound)).seconds;
  if (!(found > 0)) return DAMAGED;
  const rate = await sound.getSampleRate();
  const heard = heardOf(file, format, Math.round(found * rate), rate);
  return audioInput(file.path, { ...heard, format: format === 'mp4' ? 'm4a' : format });
}

/** A sound of `samples` to whoever plays it, and to llama.cpp, which decodes WAV and MP3 of these. */
function heardOf(file: ReadableFile, format: string, samples: number, rate: number) {
  const seconds = samples / rate;
  if (format === 'wav') {
    return { seconds, samples16k: resampled(samples, rate) };
  }
  const head = format === 'mp3' ? readMp3Head(file.absolute) : null;
  if (head === null) return { seconds };
  const { delay, padding } = head.lame ?? { delay: 0, padding: 0 };
  return {
    seconds: Math.max(1, samples - delay - padding) / rate,
    samples16k: resampled(mp3Samples(head, samples), rate),
  };
}

async function filmOf(
  path: string,
  format: string,
  film: InputVideoTrack,
  sound: InputAudioTrack | null,
): Promise<EstimateInput | string> {
  const { seconds, perSecond } = await paceOf(film);
  // As a decoder hands the frames out: turned upright, pixels that are not square left as they are.
  const [width, height] = [await film.getCodedWidth(), await film.getCodedHeight()];
  if (!(seconds > 0 && width > 0 && height > 0)) return DAMAGED;
  const turned = (await film.getRotation()) % 180 === 90;
  const heard = sound === null ? 0 : (await paceOf(sound)).seconds;
  return videoInput(path, {
    ...(turned ? { width: height, height: width } : { width, height }),
    turned,
    seconds,
    format,
    fps: perSecond > 0 ? perSecond : null,
    soundSeconds: heard,
  });
}

/** Seconds from the first packet that is played to the end of the last, and packets a second. */
async function paceOf(track: InputTrack) {
  const first = Math.max(0, await track.getFirstTimestamp());
  const { packetCount, averagePacketRate } = await track.computePacketStats(RATE_PACKETS);
  const span = (await track.computeDuration()) - first;
  if (!(span > 0 && packetCount > 0)) return { seconds: 0, perSecond: 0 };
  if (!(await lastIsOpen(track))) return { seconds: span, perSecond: averagePacketRate };
  // The packets of Matroska have no length: each lasts until the next, and the last as long as they did.
  const whole = packetCount < RATE_PACKETS;
  const perSecond = whole && packetCount > 1 ? (packetCount - 1) / span : averagePacketRate;
  return { seconds: span + 1 / perSecond, perSecond };
}

async function lastIsOpen(track: InputTrack): Promise<boolean> {
  const { EncodedPacketSink } = await import('mediabunny');
  const sink = new EncodedPacketSink(track);
  const last = await sink.getPacket(Number.POSITIVE_INFINITY, { metadataOnly: true });
  return last?.duration === 0;
}
