import { z } from 'zod';
import type { EstimateInput } from '../../contracts/estimate.ts';
import type { RunCommand } from '../../process/run.ts';
import { audioInput, videoInput } from '../describe-input.ts';
import type { ReadableFile, ReadResult } from './types.ts';

const TIMEOUT_MS = 30_000;

/** FFmpeg writes numbers as text, and `N/A` for what it does not know. */
const number = z.coerce.number().optional().catch(undefined);

const streamSchema = z.object({
  codec_type: z.string().optional(),
  width: number,
  height: number,
  duration: number,
  avg_frame_rate: z.string().optional(),
  disposition: z.object({ attached_pic: number }).optional(),
  side_data_list: z.array(z.object({ rotation: number })).optional(),
});

const answerSchema = z.object({
  streams: z.array(streamSchema).default([]),
  format: z.object({ duration: number }).default({ duration: undefined }),
});

type Stream = z.output<typeof streamSchema>;

/** Reads containers that are not read here with the ffprobe of the machine, one process a file. */
export function createFfprobe(run: RunCommand, signal: AbortSignal) {
  let missing = false;
  return async (file: ReadableFile, format: string): Promise<ReadResult> => {
    const fail = (reason: string): ReadResult => [{ path: file.path, reason }];
    const needed = `${format.toUpperCase()} is read by ffprobe, and there is none in PATH: install FFmpeg`;
    if (missing) return fail(needed);
    const args = ['-v', 'error', '-protocol_whitelist', 'file', '-of', 'json'];
    const shown = ['-show_format', '-show_streams', '-i', file.absolute];
    const result = await run('ffprobe', [...args, ...shown], { timeoutMs: TIMEOUT_MS, signal });
    signal.throwIfAborted();
    if (result.outcome === 'not-found') {
      missing = true;
      return fail(needed);
    }
    if (result.outcome === 'timeout') return fail('ffprobe did not answer in 30 s');
    if (result.code !== 0) {
      return fail(`ffprobe: ${lastLine(result.stderr) || `exit code ${result.code ?? 'none'}`}`);
    }
    const input = inputOf(file.path, format, result.stdout);
    return input === null ? fail('neither sound nor film in it of a known length') : [input];
  };
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? '';
}

/** What ffprobe's JSON says; null where it says no length. */
function inputOf(path: string, format: string, json: string): EstimateInput | null {
  const { streams, format: whole } = answerSchema.parse(JSON.parse(json));
  const picture = streams.find(
    (stream) => stream.codec_type === 'video' && stream.disposition?.attached_pic !== 1,
  );
  const sound = streams.find((stream) => stream.codec_type === 'audio');
  const lasts = (stream: Stream | undefined) => stream?.duration ?? whole.duration ?? 0;
  if (picture === undefined) {
    const seconds = sound === undefined ? 0 : lasts(sound);
    return seconds > 0 ? audioInput(path, { seconds, format }) : null;
  }
  const { width = 0, height = 0 } = picture;
  const seconds = lasts(picture);
  if (!(seconds > 0 && width > 0 && height > 0)) return null;
  const rotation = picture.side_data_list?.find((data) => data.rotation !== undefined)?.rotation;
  const turned = Math.abs(rotation ?? 0) % 180 === 90;
  return videoInput(path, {
    ...(turned ? { width: height, height: width } : { width, height }),
    turned,
    seconds,
    format,
    fps: rate(picture.avg_frame_rate),
    soundSeconds: sound === undefined ? 0 : lasts(sound),
  });
}

/** `30000/1001`. */
function rate(text = ''): number | null {
  const [frames = Number.NaN, seconds = 1] = text.split('/').map(Number);
  const perSecond = frames / seconds;
  return Number.isFinite(perSecond) && perSecond > 0 ? perSecond : null;
}
