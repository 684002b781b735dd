import { SAMPLE_RATE } from '../../../tokens/rules/audio.ts';
import { JobError } from './jobs.ts';
import { mixed, resample, toInt16 } from './resample.ts';

/** Sound for machines without ffmpeg. */
export async function decodeSound(file: Uint8Array, maxSeconds: number): Promise<Int16Array> {
  const { default: decode } = await import('audio-decode');
  const { channelData, sampleRate } = await decode(file);
  const samples = channelData[0]?.length ?? 0;
  if (samples === 0) throw new JobError({ kind: 'damaged', why: 'there is no sound in it' });
  const seconds = samples / sampleRate;
  if (seconds > maxSeconds) throw new JobError({ kind: 'seconds', seconds });
  return toInt16(resample(mixed(channelData), sampleRate, SAMPLE_RATE));
}
