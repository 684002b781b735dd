import type { RequestNotes } from '../../observe/request-notes.ts';
import { askEngine, endedOnce, type SentRequest } from './ask-engine.ts';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'undici';
import { messageOf } from '../../../errors.ts';
import type {
  EngineSource,
  MediaPreparer,
  Observer,
  PreparedMedia,
  Tenant,
  Turn,
  TurnTaker,
} from '../../seams.ts';
import { awaitEngine, ENGINE_LOST, EngineLost, type EngineAnswer } from '../engine-call.ts';
import type { Quarantine } from '../../quarantine.ts';
import { GatewayError } from '../errors.ts';
import type { Json } from '../json.ts';
import { AtEngine, suspectDigests } from './at-engine.ts';
import { mediaHeaders, type MediaHit } from './media-header.ts';
import { mediaHits, prefixOf, type TakenApart } from './taken-apart.ts';
import { mediaUsage } from './usage.ts';
import type { Witness } from './witness.ts';

/** The parts that a request with a prompt passes on its way to the engine. */
export type PipelineParts = {
  readonly source: EngineSource;
  readonly preparer: MediaPreparer;
  readonly witness: Pick<Witness, 'check'>;
  readonly turns: TurnTaker;
  readonly observer: Observer;
  readonly quarantine: Quarantine;
};

export type PromptRequest = {
  /** The engine's path for the answer, and the one that counts the same body's tokens. */
  readonly path: string;
  readonly countPath: string;
  readonly taken: TakenApart;
  readonly tenant: Tenant;
  readonly accept: string | undefined;
  /** Aborted when the client hangs up, or the server's time is over. */
  readonly signal: AbortSignal;
  /** For the request's line in the log. */
  readonly notes: RequestNotes;
};

export type PromptAnswer = {
  readonly answer: EngineAnswer;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
};

/** How often one request is sent to an engine: an engine that dies of it is not fed it for ever. */
const ATTEMPTS = 2;

/**
 * The way of a request: its media are prepared, the engine is asked whether it sees them, a slot is
 * waited for, and the answer begins. An engine that dies before a byte of the answer is there is asked
 * once more when it is back. The slot is free when the answer's last event was given out; the
 * media stay pinned until the caller releases them.
 */
export async function answerPrompt(
  parts: PipelineParts,
  request: PromptRequest,
  media: readonly (readonly PreparedMedia[])[],
): Promise<PromptAnswer> {
  const body = request.taken.putBack(media);
  const text = JSON.stringify(body);
  const atEngine = new AtEngine(parts.quarantine, suspectDigests(media, text));
  let engine = await awaitEngine(parts.source, request.signal);
  for (let attempt = 1; ; attempt += 1) {
    atEngine.admit();
    try {
      return await attemptPrompt(parts, engine, { ...request, body, text, atEngine }, media);
    } catch (error) {
      const lost = lossOf(error, engine, parts.source);
      if (lost === null) atEngine.end('gone');
      else atEngine.lost();
      if (lost === null || attempt === ATTEMPTS) throw lost ?? error;
      engine = await nextEngine(parts.source, engine, request.signal).catch(() => {
        throw lost;
      });
    }
  }
}

/** A connection ends before its process is seen to: the dead one would be asked again meanwhile. */
const DEATH_IS_KNOWN_MS = 1000;
const LOOK_MS = 10;

/** The engine after `lost`; the same one, if it only dropped a connection. */
async function nextEngine(source: EngineSource, lost: Pool, signal: AbortSignal): Promise<Pool> {
  const until = performance.now() + DEATH_IS_KNOWN_MS;
  while (source.engine === lost && performance.now() < until && !signal.aborted) {
    await delay(LOOK_MS);
  }
  return source.whenReady(signal);
}

/** The error as the loss of the engine, in whichever of its calls it showed; null: it is another one. */
function lossOf(error: unknown, engine: Pool, source: EngineSource): GatewayError | null {
  if (error instanceof GatewayError) return error.code === ENGINE_LOST ? error : null;
  return source.engine === engine
    ? null
    : new EngineLost(messageOf(error), source.retryAfterSeconds);
}

type Attempt = PromptRequest & SentRequest & { readonly body: Json };

async function attemptPrompt(
  parts: PipelineParts,
  engine: Pool,
  request: Attempt,
  media: readonly (readonly PreparedMedia[])[],
): Promise<PromptAnswer> {
  const { source, turns, observer } = parts;
  const { path, taken, tenant, signal, body, atEngine } = request;
  if (media.length > 0) await witnessed(parts, engine, request, media);
  const prefix = prefixOf(taken.pieces, media, tenant);
  const begins = () => atEngine.begin();
  const turn = endedOnce(await turns.take({ tenant, path, body, signal, prefix, begins }), signal);
  atEngine.begin();
  try {
    const flat = media.flat();
    const hits = mediaHits(taken.pieces, media, turn.held);
    note(request.notes, turn, hits);
    const usage = flat.length === 0 ? null : mediaUsage(flat);
    const answer = await askEngine({ source, engine, observer, turn, usage }, request);
    for (const [index, { kind, key }] of flat.entries()) {
      observer.media(kind, hits[index] ?? 'none');
      if (hits[index] !== 'kv') observer.encoded(key);
    }
    return { answer, headers: answerHeaders(flat, hits, turn, taken) };
  } catch (error) {
    turn.end(error instanceof EngineLost ? 'lost' : 'aborted');
    throw error;
  }
}

/** Decoding may be what kills an engine: the request is at it meanwhile. */
async function witnessed(
  { witness }: PipelineParts,
  engine: Pool,
  { countPath, taken, signal, atEngine }: Attempt,
  media: readonly (readonly PreparedMedia[])[],
): Promise<void> {
  atEngine.begin();
  await witness.check(engine, countPath, taken, media, signal);
  atEngine.end('gone');
}

function note(notes: RequestNotes, turn: Turn, hits: readonly MediaHit[]): void {
  notes.hits = hits;
  notes.ms['queue'] = turn.queuedMs;
  if (turn.encodeMs !== null) notes.ms['encode'] = turn.encodeMs;
}

function answerHeaders(
  media: readonly PreparedMedia[],
  hits: readonly MediaHit[],
  turn: Turn,
  { reordered }: TakenApart,
): PromptAnswer['headers'] {
  return {
    ...mediaHeaders(media, hits, turn.encodeMs),
    ...(reordered ? { 'x-mmdeploy-image-order': 'first' } : {}),
  };
}
