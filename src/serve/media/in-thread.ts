import { checkPixels, overLimit, refused } from './limits.ts';
import type { Workshop } from './made.ts';
import type { Job, JobKind, JobResults } from './worker/jobs.ts';
import { JobError } from './worker/jobs.ts';

/** A job of the decoders' thread, with what it says of the file as an answer to the client. */
export async function inThread<Kind extends JobKind>(
  place: string,
  job: Extract<Job, { readonly kind: Kind }>,
  { thread, limits, signal }: Workshop,
): Promise<JobResults[Kind]> {
  try {
    return await thread.run<Kind>(job, signal);
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    const { failure } = error;
    if (failure.kind === 'pixels') checkPixels(place, failure, limits.maxImagePixels);
    if (failure.kind === 'seconds') throw tooLong(place, failure.seconds, limits.maxAudioSeconds);
    throw refused(place, failure.kind === 'damaged' ? failure.why : failure.kind);
  }
}

export function tooLong(place: string, seconds: number, limit: number): Error {
  return overLimit(place, `${Math.round(seconds)} s of sound`, limit, '--max-audio-seconds');
}
