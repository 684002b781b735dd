import type { RequestNotes } from '../../observe/request-notes.ts';
import { askEngine } from './ask-engine.ts';
import type { Pool } from 'undici';
import type {
  Cancellation,
  EngineSource,
  MediaPreparer,
  Observer,
  PreparedMedia,
  Tenant,
  Turn,
  TurnTaker,
} from '../../seams.ts';
import { awaitEngine, EngineLost, isConnectionEnd, type EngineAnswer } from '../engine-call.ts';
import { untilFateKnown } from '../../engine-fate.ts';
import type { Quarantine } from '../../quarantine.ts';
import { GatewayError } from '../errors.ts';
import type { Json } from '../json.ts';
import { checkedAnswer } from './answer-check.ts';
import { AtEngine, suspectDigests } from './at-engine.ts';
import { mediaHeaders, type MediaHit } from './media-header.ts';
import { mediaHits, prefixOf, type TakenApart } from './taken-apart.ts';
import { mediaUsage } from './usage.ts';
import type { AnswerCheck, Witness } from './witness.ts';
import type { RequestSignal } from '../request-signal.ts';

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
  readonly signal: RequestSignal;
  /** For the request's line in the log. */
  readonly notes: RequestNotes;
};

export type PromptAnswer = {
  readonly answer: EngineAnswer;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
};

type Media = readonly (readonly PreparedMedia[])[];

/** Engines that one request may be lost with: one that dies of it is not fed it for ever. */
const MOST_LOSSES = 2;

/**
 * The way of a request: its media are prepared, the engine is asked whether it sees them, a slot is
 * waited for, and the answer begins. An engine that dies before a byte of the answer is there is asked
 * once more when it is back. Only what was at the engine is charged with its death, and not where
 * memory ran out: that request is tried at each step of the relief, with media made for it. The slot is
 * free when the answer's last event was given out; the media stay pinned until the caller releases them.
 */
export async function answerPrompt(
  parts: PipelineParts,
  request: PromptRequest,
  prepare: () => Promise<Media>,
): Promise<PromptAnswer> {
  for (;;) {
    const { reliefs } = parts.source;
    const answer = await answerWith(parts, request, { media: await prepare(), reliefs });
    if (answer !== null) return answer;
  }
}

/** Media, and the `reliefs` of the engines that they were made for. */
type MadeMedia = { readonly media: Media; readonly reliefs: number | undefined };

/** null: the engine has less memory from now on, and may take other media. */
async function answerWith(
  parts: PipelineParts,
  request: PromptRequest,
  made: MadeMedia,
): Promise<PromptAnswer | null> {
  const { source, quarantine } = parts;
  const body = request.taken.putBack(made.media);
  const text = JSON.stringify(body);
  const atEngine = new AtEngine(quarantine, suspectDigests(made.media, text));
  request.notes.stage = 'engine';
  await awaitEngine(source, request.signal);
  for (let losses = 0; ;) {
    atEngine.admit();
    const { life } = source;
    try {
      return await attemptPrompt(parts, request, { body, text, atEngine }, made);
    } catch (error) {
      const lost = lossOf(error, source, request.signal);
      if (lost === null) {
        atEngine.end('gone');
        throw error;
      }
      const wasThere = await atEngine.lost(lost.reached);
      if (source.reliefs !== made.reliefs) return null;
      if (!wasThere) await untilFateKnown(source, life, request.signal);
      const isOver = source.engine === null || source.life !== life;
      if (wasThere || !isOver) losses += 1;
      if (losses === MOST_LOSSES) throw lost;
      parts.observer.trouble(isOver ? 'engine_lost' : 'connection_lost', lost.message);
      request.notes.stage = 'engine';
      await source.whenReady(request.signal).catch(() => {
        throw lost;
      });
    }
  }
}

/** The error as the loss of the engine, in whichever of its calls it showed; null: it is another one. */
function lossOf(error: unknown, source: EngineSource, signal: Cancellation): EngineLost | null {
  if (error instanceof EngineLost) return error;
  if (error instanceof GatewayError || signal.aborted || !isConnectionEnd(error)) return null;
  return new EngineLost(error, source.retryAfterSeconds);
}

/** The engine that there is now: while a slot was waited for it may have become another. */
function engineNow(source: EngineSource, { reliefs }: MadeMedia): Pool {
  const { engine, retryAfterSeconds } = source;
  if (engine === null) throw new EngineLost('it has ended', retryAfterSeconds);
  if (source.reliefs === reliefs) return engine;
  throw new EngineLost('it was started with less memory', retryAfterSeconds);
}

/** A request as it is given to an engine. */
type Attempt = {
  readonly body: Json;
  /** `body` as JSON. */
  readonly text: string;
  readonly atEngine: AtEngine;
};

async function attemptPrompt(
  parts: PipelineParts,
  request: PromptRequest,
  attempt: Attempt,
  made: MadeMedia,
): Promise<PromptAnswer> {
  const { source, turns, observer } = parts;
  const { media } = made;
  const { path, taken, tenant, accept, signal, notes } = request;
  const { body, atEngine } = attempt;
  const before = engineNow(source, made);
  const check = media.length > 0 ? await witnessed(parts, before, request, atEngine, media) : null;
  const checked = check === null ? null : checkedAnswer(check, body, path);
  const text = checked === null ? attempt.text : JSON.stringify(checked.body);
  const prefix = prefixOf(taken.pieces, media, tenant);
  const begins = () => {
    notes.stage = 'encode';
    atEngine.begin();
  };
  notes.stage = 'queue';
  const turn = await turns.take({ tenant, path, body, signal, prefix, begins });
  try {
    const engine = engineNow(source, made);
    notes.stage = 'answer';
    atEngine.begin();
    const flat = media.flat();
    const hits = mediaHits(taken.pieces, media, turn.held);
    note(notes, turn, hits);
    const usage = flat.length === 0 ? null : mediaUsage(flat);
    const running = { source, engine, observer, turn, usage, checked };
    const streams = body['stream'] === true;
    const sent = { path, text, streams, accept, signal, atEngine, notes };
    const answer = await askEngine(running, sent);
    for (const [index, { kind, key }] of flat.entries()) {
      observer.media(kind, hits[index] ?? 'none');
      if (hits[index] !== 'kv') observer.encoded(key);
    }
    return { answer, headers: answerHeaders(flat, hits, turn, taken) };
  } catch (error) {
    turn.end(error instanceof EngineLost && error.reached ? 'lost' : 'aborted');
    throw error;
  }
}

/** Decoding may be what kills an engine: the request is at it meanwhile. */
async function witnessed(
  { witness }: PipelineParts,
  engine: Pool,
  { countPath, taken, signal, notes }: PromptRequest,
  atEngine: AtEngine,
  media: Media,
): Promise<AnswerCheck | null> {
  notes.stage = 'count';
  atEngine.begin();
  const check = await witness.check(engine, countPath, taken, media, signal.native);
  atEngine.end('gone');
  return check;
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
