import type { Json } from '../json.ts';
import { asArray, asText, fieldOf, isObject } from '../json.ts';
import { REQUEST_TIMEOUT } from '../deadline.ts';
import { messagesErrorBody, messagesErrorType } from './errors.ts';
import {
  emptyMessage,
  mediaDetails,
  numberOf,
  stopOf,
  stoppingWord,
  thinkingBlock,
  toolId,
  usageOf,
} from './message.ts';

type Kind = 'thinking' | 'text' | 'tool';

/**
 * The events of a chat's stream as those of a message: one block at a time, each begun, continued and
 * ended, the reason and the usage before the end. What the engine says beyond that stays here.
 */
export class MessageEvents {
  #begun = false;
  #ended = false;
  #open: { readonly kind: Kind; readonly call: number } | null = null;
  #blocks = 0;
  #finish: unknown = null;
  #word: string | null = null;
  #usage: unknown = null;

  /** Whole events of the engine in, whole events for the client out; possibly none. */
  translate(events: string): string {
    return events
      .split('\n')
      .map((line) => this.#line(line))
      .join('');
  }

  /** To be called when no more comes: a stream that did not say that it is complete has been cut. */
  finish(): string {
    if (this.#ended) return '';
    this.#ended = true;
    const message = 'the engine ended its answer before it was complete';
    return event('error', messagesErrorBody(502, 'engine_lost', message));
  }

  #line(line: string): string {
    // A comment is the engine's sign of life.
    if (line.startsWith(':')) return event('ping', { type: 'ping' });
    const data = /^(?:data|error): ?(.*)$/.exec(line)?.[1];
    if (data === undefined || this.#ended) return '';
    if (data === '[DONE]') return this.#end();
    const chunk = objectOf(data);
    if (chunk === null) return this.finish();
    return isObject(chunk['error']) ? this.#error(chunk) : this.#chunk(chunk);
  }

  #error({ error, src }: Json): string {
    this.#ended = true;
    const status = numberOf(fieldOf(error, 'code'));
    const { message, code, type: told } = isObject(error) ? error : {};
    if (src === 'mmdeploy') {
      const ours =
        told === 'service_unavailable_error' ? 503 : code === REQUEST_TIMEOUT ? 504 : 502;
      return event('error', messagesErrorBody(ours, asText(code), asText(message)));
    }
    const type = messagesErrorType(status === 0 ? 500 : status);
    return event('error', { type: 'error', error: { type, message } });
  }

  #chunk(chunk: Json): string {
    this.#word ??= stoppingWord(chunk);
    if (isObject(chunk['usage'])) this.#usage = chunk['usage'];
    const choice = asArray(chunk['choices'])[0];
    const finish = fieldOf(choice, 'finish_reason');
    if (typeof finish === 'string') this.#finish = finish;
    const said = this.#delta(fieldOf(choice, 'delta'));
    // The first chunk only names the role: what the prompt cost is told with the first word.
    return said === '' && typeof finish !== 'string' ? '' : this.#begin(chunk) + said;
  }

  #begin(chunk: Json): string {
    if (this.#begun) return '';
    this.#begun = true;
    const { timings } = chunk;
    const usage = {
      input_tokens: numberOf(fieldOf(timings, 'prompt_n')),
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: numberOf(fieldOf(timings, 'cache_n')),
      output_tokens: 0,
    };
    const message = { ...emptyMessage(chunk), usage };
    return event('message_start', { type: 'message_start', message });
  }

  #delta(delta: unknown): string {
    const thinking = asText(fieldOf(delta, 'reasoning_content'));
    const text = asText(fieldOf(delta, 'content'));
    const calls = asArray(fieldOf(delta, 'tool_calls'));
    return [
      thinking === ''
        ? ''
        : this.#say('thinking', 0, thinkingBlock(''), { type: 'thinking_delta', thinking }),
      text === ''
        ? ''
        : this.#say('text', 0, { type: 'text', text: '' }, { type: 'text_delta', text }),
      ...calls.map((call) => this.#call(call)),
    ].join('');
  }

  #call(call: unknown): string {
    const at = numberOf(fieldOf(call, 'index'));
    const asked = fieldOf(call, 'function');
    const json = asText(fieldOf(asked, 'arguments'));
    const block = {
      type: 'tool_use',
      id: toolId(fieldOf(call, 'id'), at),
      name: asText(fieldOf(asked, 'name')),
      input: {},
    };
    const delta = json === '' ? null : { type: 'input_json_delta', partial_json: json };
    return this.#say('tool', at, block, delta);
  }

  /** Goes on with the open block, or ends it and begins `block`. */
  #say(kind: Kind, call: number, block: Json, delta: Json | null): string {
    const isOpen = this.#open?.kind === kind && this.#open.call === call;
    const head = isOpen ? '' : this.#close() + this.#start(kind, call, block);
    if (delta === null) return head;
    return head + event('content_block_delta', this.#ofBlock('content_block_delta', { delta }));
  }

  #start(kind: Kind, call: number, block: Json): string {
    this.#open = { kind, call };
    this.#blocks += 1;
    const type = 'content_block_start';
    return event(type, this.#ofBlock(type, { content_block: block }));
  }

  #close(): string {
    if (this.#open === null) return '';
    const delta = { type: 'signature_delta', signature: '' };
    const signature =
      this.#open.kind === 'thinking'
        ? event('content_block_delta', this.#ofBlock('content_block_delta', { delta }))
        : '';
    this.#open = null;
    return signature + event('content_block_stop', this.#ofBlock('content_block_stop', {}));
  }

  #ofBlock(type: string, more: Json): Json {
    return { type, index: this.#blocks - 1, ...more };
  }

  #end(): string {
    if (this.#finish === null) return this.finish();
    this.#ended = true;
    const usage = { ...usageOf(this.#usage), ...mediaDetails(this.#usage) };
    const delta = stopOf(this.#finish, this.#word);
    return [
      this.#close(),
      event('message_delta', { type: 'message_delta', delta, usage }),
      event('message_stop', { type: 'message_stop' }),
    ].join('');
  }
}

function objectOf(data: string): Json | null {
  try {
    const chunk: unknown = JSON.parse(data);
    return isObject(chunk) ? chunk : null;
  } catch {
    return null;
  }
}

function event(name: string, data: Json): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
