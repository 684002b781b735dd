import type { Input, InputAudioTrack, InputTrack, InputVideoTrack } from 'mediabunny';
import type { EstimateInput } from '../../contracts/estimate.ts';
import { audioInput, videoInput } from '../describe-input.ts';
import type { ReadableFile, ReadResult } from './types.ts';

/** A file that was made to be walked through for ever is given up. */
const TIMEOUT_MS = 30_000;
const CACHE_BYTES = 4 * 1024 * 1024;
/** So many packets tell the frames a second. */
const RATE_PACKETS = 256;
/** The longest block of a FLAC stream that players have to take (RFC 9639, 7). */
const FLAC_BLOCK = 16_384;

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
  const { ALL_FORMATS, FilePathSource, HLS, Input, Logging, LogLevel } = await import('mediabunny');
  Logging.level = LogLevel.Silent;
  const source = new FilePathSource(file.absolute, {
    maxCacheSize: CACHE_BYTES,
    // A read ahead that fails after the answer is there must not end the program.
    handleUnhandledError: () => undefined,
  });
  // HLS is a list of other files and addresses, which nobody named.
  const input = new Input({ source, formats: ALL_FORMATS.filter((each) => each !== HLS) });
  const limit = { passed: false };
  const timer = setTimeout(() => {
    limit.passed = true;
    input.dispose();
  }, TIMEOUT_MS);
  try {
    const found = await inputOf(file.path, format, input);
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
  path: string,
  format: string,
  input: Input,
): Promise<EstimateInput | string> {
  const film = await input.getPrimaryVideoTrack();
  const sound = await input.getPrimaryAudioTrack();
  if (film !== null) return filmOf(path, format, film, sound);
  const seconds = sound === null ? 0 : await soundSeconds(sound, format);
  if (typeof seconds === 'string') return seconds;
  return seconds > 0 ? audioInput(path, { seconds, format: nameOf(format, sound) }) : DAMAGED;
}

/** A Matroska file of sound alone goes by another name, as its players do. */
function nameOf(format: string, sound: InputAudioTrack | null): string {
  return format === 'mp4' && sound !== null ? 'm4a' : format;
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
    seconds,
    format,
    fps: perSecond > 0 ? perSecond : null,
    soundSeconds: heard,
  });
}

async function soundSeconds(sound: InputAudioTrack, format: string): Promise<number | string> {
  if (format !== 'flac') return (await paceOf(sound)).seconds;
  const stated = (await sound.getDurationFromMetadata()) ?? 0;
  const there = await sound.computeDuration();
  const block = FLAC_BLOCK / (await sound.getSampleRate());
  if (stated === 0) return there;
  return there + block < stated
    ? `truncated: ${there.toFixed(1)} of ${stated.toFixed(1)} s are there`
    : stated;
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
