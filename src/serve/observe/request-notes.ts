import type { IncomingMessage } from 'node:http';
import type { MediaHit } from '../gateway/chat/media-header.ts';
import type { Tenant } from '../seams.ts';
import type { EngineTimings } from './engine-timings.ts';

/** How far a request has come. */
export type RequestStage = 'body' | 'media' | 'engine' | 'count' | 'queue' | 'encode' | 'answer';

/**
 * What a request leaves behind for its line in the log: counts, times and digests. Nothing that a client
 * wrote has a place here.
 */
export type RequestNotes = {
  tenant: Tenant | null;
  stage: RequestStage;
  /** Where each medium was found; null until that is known. */
  hits: readonly MediaHit[] | null;
  /** Milliseconds by stage. */
  readonly ms: Record<string, number>;
  timings: EngineTimings | null;
  /** How a stream ended. */
  end: 'done' | 'lost' | 'aborted' | null;
  /** Code of the error that was answered with. */
  reason: string | null;
  /** Of an error that is a bug of ours: its name and where, without its message. */
  bug: string | null;
};

/** On the request itself: a map beside it would cost every request a place in the collector's tables. */
const NOTES = Symbol('notes');

type Noted = IncomingMessage & { [NOTES]?: RequestNotes | undefined };

/** The notes of one request. */
export function notesOf(request: Noted): RequestNotes {
  return (request[NOTES] ??= {
    tenant: null,
    stage: 'body',
    hits: null,
    ms: {},
    timings: null,
    end: null,
    reason: null,
    bug: null,
  });
}

/** To be called with every error that was answered: 500 is a bug of ours. */
export function noteBug(request: IncomingMessage, status: number, error: unknown): void {
  if (status === 500) notesOf(request).bug = bugOf(error);
}

/** A message may quote what a client sent, so only the name of the error and its frames are kept. */
function bugOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return [error.name, ...frames.slice(0, 8).map((line) => line.trim())].join(' | ');
}
