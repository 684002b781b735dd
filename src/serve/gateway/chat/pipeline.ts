import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'undici';
import { messageOf } from '../../../errors.ts';
import type {
  EngineSource,
  MediaPreparer,
  Observer,
  PreparedMedia,
  PromptUsage,
  Tenant,
  Turn,
  TurnTaker,
} from '../../seams.ts';
import {
  awaitEngine,
  callEngine,
  ENGINE_LOST,
  EngineLost,
  type EngineAnswer,
  type StreamEnd,
} from '../engine-call.ts';
import type { Quarantine } from '../../quarantine.ts';
import { GatewayError } from '../errors.ts';
import { AtEngine, suspectDigests } from './at-engine.ts';
import { parseObject, type Json } from '../json.ts';
import { mediaHeaders, type MediaHit } from './media-header.ts';
import { mediaHits, prefixOf, type TakenApart } from './taken-apart.ts';
import {
  eventsWithMediaUsage,
  mediaUsage,
  promptUsage,
  promptUsageOfEvents,
  withMediaUsage,
  type MediaUsage,
} from './usage.ts';
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
 * once more when it is back. `onEnd` of the caller's stream frees the slot; the media stay pinned until
 * `release`.
 */
export async function answerPrompt(
  parts: PipelineParts,
  request: PromptRequest,
  media: readonly (readonly PreparedMedia[])[],
): Promise<PromptAnswer> {
  const body = request.taken.putBack(media);
  const atEngine = new AtEngine(parts.quarantine, suspectDigests(media, body));
  let engine = await awaitEngine(parts.source, request.signal);
  for (let attempt = 1; ; attempt += 1) {
    atEngine.admit();
    try {
      return await attemptPrompt(parts, engine, { ...request, body, atEngine }, media);
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

type Attempt = PromptRequest & { readonly body: Json; readonly atEngine: AtEngine };

async function attemptPrompt(
  parts: PipelineParts,
  engine: Pool,
  request: Attempt,
  media: readonly (readonly PreparedMedia[])[],
): Promise<PromptAnswer> {
  const { turns, observer } = parts;
  const { path, taken, tenant, signal, body, atEngine } = request;
  if (media.length > 0) await witnessed(parts, engine, request, media);
  const prefix = prefixOf(taken.pieces, media, tenant);
  const begins = () => atEngine.begin();
  const turn = endedOnce(await turns.take({ tenant, path, body, signal, prefix, begins }), signal);
  atEngine.begin();
  try {
    const flat = media.flat();
    const answer = await ask(parts, engine, request, turn, flat);
    const hits = mediaHits(taken.pieces, media, turn.held);
    for (const [index, { kind }] of flat.entries()) observer.media(kind, hits[index] ?? 'none');
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

/** A stream that nobody began to read has no end of its own: the signal ends its turn. */
function endedOnce(turn: Turn, signal: AbortSignal): Turn {
  let ended = false;
  const end: Turn['end'] = (how, usage) => {
    if (ended) return;
    ended = true;
    signal.removeEventListener('abort', onAbort);
    turn.end(how, usage);
  };
  const onAbort = () => end('aborted');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return { ...turn, end };
}

async function ask(
  { source, observer }: PipelineParts,
  engine: Pool,
  { path, accept, signal, body, atEngine }: Attempt,
  turn: Turn,
  media: readonly PreparedMedia[],
): Promise<EngineAnswer> {
  const slotted = JSON.stringify({ ...body, id_slot: turn.slot });
  const startedAt = performance.now();
  const answer = await callEngine(
    source,
    engine,
    { path, method: 'POST', body: slotted, accept },
    signal,
  );
  turn.begun();
  const usage = media.length === 0 ? null : mediaUsage(media);
  if (answer.kind === 'events') {
    observer.stage('first_token', performance.now() - startedAt);
    return { ...answer, events: turnEvents(answer.events, turn, usage, observer, atEngine) };
  }
  atEngine.end('completed');
  if (answer.status !== 200) {
    turn.end('done');
    return answer;
  }
  const document = parseObject(answer.bytes);
  turn.end('done', promptUsage(document));
  if (usage === null) return answer;
  return { ...answer, bytes: Buffer.from(JSON.stringify(withMediaUsage(document, usage))) };
}

/** The events of an answer; the turn ends with them, however they end. */
async function* turnEvents(
  events: AsyncGenerator<Buffer, StreamEnd>,
  turn: Turn,
  usage: MediaUsage | null,
  observer: Observer,
  atEngine: AtEngine,
): AsyncGenerator<Buffer, StreamEnd> {
  let end: StreamEnd = 'aborted';
  let before: number | null = null;
  let prompt: PromptUsage | undefined;
  try {
    for (;;) {
      const next = await events.next();
      if (next.done === true) return (end = next.value);
      const now = performance.now();
      if (before !== null) observer.stage('inter_token', now - before);
      before = now;
      prompt = promptUsageOfEvents(next.value) ?? prompt;
      yield usage === null ? next.value : eventsWithMediaUsage(next.value, usage);
    }
  } finally {
    turn.end(end, prompt);
    if (end === 'lost') atEngine.lost();
    else atEngine.end(end === 'done' ? 'completed' : 'gone');
    await events.return('aborted');
  }
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
