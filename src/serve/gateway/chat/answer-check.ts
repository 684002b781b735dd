import { GatewayError } from '../errors.ts';
import type { Json } from '../json.ts';
import { asArray, fieldOf, isObject } from '../json.ts';
import { promptTokensOf } from './usage.ts';
import type { AnswerCheck } from './witness.ts';

/** How the answer to a request is looked at, and what is asked of the engine for it. */
export type CheckedAnswer = {
  readonly check: AnswerCheck;
  /** The client did not ask for the usage that its stream holds now. */
  readonly hidesUsage: boolean;
  readonly body: Json;
};

/** A stream of chat tells its usage only where it is asked to. */
export function checkedAnswer(check: AnswerCheck, body: Json, path: string): CheckedAnswer {
  const options = body['stream_options'];
  const isTold =
    body['stream'] !== true ||
    path.endsWith('/responses') ||
    fieldOf(options, 'include_usage') === true;
  if (isTold) return { check, hidesUsage: false, body };
  const asking = { ...(isObject(options) ? options : {}), include_usage: true };
  return { check, hidesUsage: true, body: { ...body, stream_options: asking } };
}

/**
 * Looks at the events of a stream as they pass: at the usage, which comes last. What was said until then is
 * with the client already, so that a failure stands in the place of the end.
 */
export class StreamCheck {
  readonly #answer: CheckedAnswer;
  #isDone = false;
  #failure: GatewayError | null = null;

  constructor(answer: CheckedAnswer) {
    this.#answer = answer;
  }

  /** The events that the client gets; possibly none. */
  pass(events: Buffer): Buffer {
    if (this.#failure !== null) return Buffer.alloc(0);
    if (!events.includes('"usage":{') && !events.includes('data: [DONE]')) return events;
    const passed = events.toString('utf8').split(/(?<=\n\n)/);
    return Buffer.from(passed.map((event) => this.#event(event)).join(''));
  }

  /** To be called when the engine has said all: what the client is told instead of an end. */
  end(): GatewayError | null {
    this.#look(null);
    return this.#failure;
  }

  #event(event: string): string {
    const data = /^data: (.*)$/m.exec(event)?.[1];
    if (data === '[DONE]') this.#look(null);
    const document = data?.includes('"usage":{') === true ? objectOf(data) : null;
    const tokens = promptTokensOf(document);
    if (tokens !== null) this.#look(tokens);
    if (this.#failure !== null) return '';
    if (document === null || tokens === null || !this.#answer.hidesUsage) return event;
    // Newer builds tell it in an event of its own, older ones in the last of the answer.
    if (asArray(document['choices']).length === 0) return '';
    return `data: ${JSON.stringify({ ...document, usage: undefined })}\n\n`;
  }

  #look(tokens: number | null): void {
    if (this.#isDone) return;
    this.#isDone = true;
    try {
      this.#answer.check(tokens);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#failure = error;
    }
  }
}

function objectOf(data: string): Json | null {
  try {
    const value: unknown = JSON.parse(data);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
