import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Pool } from 'undici';
import { expect, it, vi } from 'vitest';
import { answerPrompt } from '../../../../src/serve/gateway/chat/pipeline.ts';
import { takeTextApart } from '../../../../src/serve/gateway/chat/taken-apart.ts';
import { GatewayError } from '../../../../src/serve/gateway/errors.ts';
import { RequestSignal } from '../../../../src/serve/gateway/request-signal.ts';
import { quietObserver } from '../../../../src/serve/observe/quiet.ts';
import { notesOf } from '../../../../src/serve/observe/request-notes.ts';
import type { EngineSource, Observer } from '../../../../src/serve/seams.ts';
import { engineThat } from '../../../helpers/engine-that.ts';
import { plainPrompts } from '../../../helpers/serve-prompts.ts';

const EVENT = 'data: {"choices":[{"text":"so"}]}\n\n';

type Watched = { readonly trouble: Observer['trouble']; readonly life: () => number };

/** An answer from `engine`, and what became of its turn. */
async function asked(
  engine: Pool,
  { trouble = () => undefined, life = () => 1 }: Partial<Watched> = {},
) {
  const source: EngineSource = {
    engine,
    get life() {
      return life();
    },
    retryAfterSeconds: 1,
    whenReady: () => Promise.resolve(engine),
    requestCompleted: () => undefined,
  };
  const end = vi.fn();
  const turn = { slot: 0, held: 0, media: 'none', queuedMs: 0, encodeMs: null } as const;
  const take = () => Promise.resolve({ ...turn, begun: () => undefined, end });
  const signal = new RequestSignal();
  const path = '/v1/completions';
  const request = {
    ...{ path, countPath: `${path}/input_tokens`, tenant: 'anonymous', accept: undefined, signal },
    taken: takeTextApart({ prompt: 'Say so.', stream: true }),
    notes: notesOf(new IncomingMessage(new Socket())),
  };
  const observer = { ...quietObserver(() => undefined), trouble };
  const parts = { ...plainPrompts({ turns: { take }, observer }), source };
  const { answer } = await answerPrompt(parts, request, () => Promise.resolve([]));
  if (answer.kind !== 'events') throw new Error('no stream');
  return { events: answer.events, end, signal };
}

const endless = () =>
  engineThat((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(EVENT);
  });

it('frees the slot of a stream that nobody began to read when its client is gone', async () => {
  const { end, signal } = await asked(await endless());
  expect(end).not.toHaveBeenCalled();
  signal.abort();
  expect(end.mock.calls).toEqual([['aborted', undefined]]);
});

it('frees the slot of a stream in the middle when its time is over, and tells so', async () => {
  const { events, end, signal } = await asked(await endless());
  expect(String((await events.next()).value)).toBe(EVENT);
  signal.abort(new GatewayError(504, 'request_timeout', 'it took too long'));
  expect(end.mock.calls[0]).toEqual(['aborted', undefined]);
  const rest: string[] = [];
  for await (const event of events) rest.push(event.toString());
  expect(rest.join('')).toContain('request_timeout');
});

it('frees the slot of a stream when its last event was given out, not before', async () => {
  const { events, end, signal } = await asked(
    await engineThat((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`${EVENT}data: [DONE]\n\n`);
    }),
  );
  await events.next();
  expect(end).not.toHaveBeenCalled();
  for await (const event of events) expect(event.length).toBeGreaterThan(0);
  expect(end.mock.calls).toEqual([['done', undefined]]);
  // The end of its connection comes later, and changes nothing.
  signal.abort();
  expect(end).toHaveBeenCalledOnce();
});

it('asks for a stream on a connection of its own, as the engine closes it behind', async () => {
  let connection: string | undefined;
  const { events } = await asked(
    await engineThat((request, response) => {
      ({ connection } = request.headers);
      request.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(EVENT);
    }),
  );
  expect(String((await events.next()).value)).toBe(EVENT);
  expect(connection).toBe('close');
});

it.each([
  ['connection_lost', 'only the connection was lost', 0],
  ['engine_lost', 'the engine died, and there is another', 1],
])('asks once more, and counts it as %s, when %s', async (what, _when, deaths) => {
  let requests = 0;
  const trouble = vi.fn();
  const engine = await engineThat((request, response) => {
    requests += 1;
    if (requests === 1) return void request.socket.destroy();
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(EVENT);
  });
  const life = () => (requests > 0 ? 1 + deaths : 1);
  const { events } = await asked(engine, { trouble, life });
  expect(String((await events.next()).value)).toBe(EVENT);
  expect(trouble.mock.calls).toEqual([[what, expect.stringContaining('closed')]]);
});
