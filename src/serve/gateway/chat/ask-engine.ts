import { performance } from 'node:perf_hooks';
import type { Pool } from 'undici';
import type { Cancellation, EngineSource, Observer, PromptUsage, Turn } from '../../seams.ts';
import { engineTimings, type EngineTimings } from '../../observe/engine-timings.ts';
import type { RequestNotes } from '../../observe/request-notes.ts';
import { callEngine, type EngineAnswer, type StreamEnd } from '../engine-call.ts';
import { errorEvent, type GatewayError } from '../errors.ts';
import { parseObject } from '../json.ts';
import { StreamCheck, type CheckedAnswer } from './answer-check.ts';
import type { AtEngine } from './at-engine.ts';
import {
  eventsWithMediaUsage,
  promptTokensOf,
  promptUsage,
  withMediaUsage,
  type MediaUsage,
} from './usage.ts';

/** A request as the engine gets it. */
export type SentRequest = {
  readonly path: string;
  /** The request as JSON, without a slot: written once, however often it is sent. */
  readonly text: string;
  readonly streams: boolean;
  readonly accept: string | undefined;
  readonly signal: Cancellation;
  readonly atEngine: AtEngine;
  readonly notes: RequestNotes;
};

/** On what it is run, and who watches. */
export type Running = {
  readonly source: EngineSource;
  readonly engine: Pool;
  readonly observer: Observer;
  readonly turn: Turn;
  /** Tokens of its media; null for words only. */
  readonly usage: MediaUsage | null;
  /** null: nothing is left to be proven by the answer. */
  readonly checked: CheckedAnswer | null;
};

/** A stream that nobody began to read has no end of its own: the signal ends its turn. */
function endsWith(turn: Turn, signal: Cancellation): Turn {
  const end: Turn['end'] = (how, usage) => {
    signal.removeEventListener('abort', onAbort);
    turn.end(how, usage);
  };
  const onAbort = () => end('aborted');
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  return { ...turn, end };
}

/**
 * Asks the engine on the slot of `turn`, which ends with the answer: a document as soon as it is whole, a
 * stream when its last event was given out.
 */
export async function askEngine(running: Running, sent: SentRequest): Promise<EngineAnswer> {
  const { source, engine, observer, turn, usage, checked } = running;
  const { path, accept, streams, signal, notes, atEngine } = sent;
  const body = onSlot(sent.text, turn.slot);
  const startedAt = performance.now();
  const upstream = { path, method: 'POST', body, accept, streams } as const;
  const answer = await callEngine(source, engine, upstream, signal);
  turn.begun();
  if (answer.kind === 'events') {
    const ms = performance.now() - startedAt;
    observer.stage('first_token', ms);
    notes.ms['first_token'] = ms;
    const streaming = { ...running, turn: endsWith(turn, signal) };
    return { ...answer, events: turnEvents(answer.events, streaming, sent) };
  }
  atEngine.end('completed');
  if (answer.status !== 200) {
    turn.end('done');
    return answer;
  }
  tell(engineTimings(answer.bytes.toString('utf8', tailOf(answer.bytes))), running, notes);
  if (usage === null) {
    turn.end('done');
    return answer;
  }
  const document = parseObject(answer.bytes);
  try {
    checked?.check(promptTokensOf(document));
  } catch (error) {
    // The slot does not hold what it should.
    turn.end('lost');
    throw error;
  }
  turn.end('done', promptUsage(document));
  return { ...answer, bytes: Buffer.from(JSON.stringify(withMediaUsage(document, usage))) };
}

/** The request with its slot, which no client can name: the allow-list of fields leaves `id_slot` out. */
function onSlot(text: string, slot: number): string {
  const field = `"id_slot":${slot}}`;
  return text === '{}' ? `{${field}` : `${text.slice(0, -1)},${field}`;
}

/** The engine's timings are at the end of a document. */
const TAIL_BYTES = 4096;

function tailOf(bytes: Buffer): number {
  return Math.max(0, bytes.length - TAIL_BYTES);
}

function tell(timings: EngineTimings | null, { observer }: Running, notes: RequestNotes): void {
  if (timings === null) return;
  notes.timings = timings;
  observer.stage('prefill', timings.promptMs);
}

/** The events of an answer; the turn ends with them, however they end. */
async function* turnEvents(
  events: AsyncGenerator<Buffer, StreamEnd>,
  running: Running,
  { notes, atEngine }: SentRequest,
): AsyncGenerator<Buffer, StreamEnd> {
  const { turn, usage, observer } = running;
  const check = running.checked === null ? null : new StreamCheck(running.checked);
  let end: StreamEnd = 'aborted';
  let failure: GatewayError | null = null;
  let before: number | null = null;
  let timings: EngineTimings | null = null;
  try {
    for (;;) {
      const next = await events.next();
      if (next.done === true) {
        end = next.value;
        failure = end === 'done' ? (check?.end() ?? null) : null;
        if (failure !== null) yield Buffer.from(eventOf(failure));
        return end;
      }
      const now = performance.now();
      if (before !== null) observer.stage('inter_token', now - before);
      before = now;
      if (next.value.includes('"timings":{')) timings = engineTimings(next.value.toString('utf8'));
      const passed = check === null ? next.value : check.pass(next.value);
      if (passed.length === 0) continue;
      yield usage === null ? passed : eventsWithMediaUsage(passed, usage);
    }
  } finally {
    notes.end = end;
    tell(timings, running, notes);
    if (failure !== null) notes.reason = failure.code;
    turn.end(failure === null ? end : 'lost', usageOf(timings));
    if (end === 'lost') void atEngine.lost(true);
    else atEngine.end(end === 'done' ? 'completed' : 'gone');
    await events.return('aborted');
  }
}

function eventOf({ status, code, message }: GatewayError): string {
  return errorEvent(status, code, message);
}

/** What the timings of a stream's last event say of its prompt. */
function usageOf(timings: EngineTimings | null): PromptUsage | undefined {
  if (timings === null) return undefined;
  const { promptTokens, cachedTokens } = timings;
  return { promptTokens: promptTokens + cachedTokens, cachedTokens };
}
