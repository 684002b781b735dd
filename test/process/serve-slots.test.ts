import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { startServing, type ServeRequest } from '../../src/workflows/start-serving.ts';
import { serveContext } from '../helpers/serve-context.ts';
import {
  REAL_ENGINE,
  demoArgs,
  demoRequest,
  DEMO_MODEL,
  imagePart,
  PIPELINE,
} from '../helpers/serve-engine.ts';

const UNTIL = { timeout: 20_000, interval: 20 };

async function served(slots: number, overrides: Partial<ServeRequest> = {}) {
  const argv = await demoArgs(slots);
  const request = await demoRequest({ argv, ...overrides });
  const serving = await startServing(request, serveContext().ctx, { model: DEMO_MODEL });
  onTestFinished(() => serving.stop());
  const ask = async (content: unknown, more: object = {}, signal?: AbortSignal) => {
    const messages = [{ role: 'user', content }];
    return fetch(`${serving.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages, max_tokens: 4, ...more }),
      signal: signal ?? null,
    });
  };
  return { serving, ask };
}

const hitOf = (response: Response) =>
  /hit=(\w+)/.exec(response.headers.get('x-mmdeploy-image') ?? '')?.[1];
const words = (text: string) => ({ type: 'text', text });

describe.skipIf(REAL_ENGINE === '')('serve on the slots of the real llama-server', () => {
  test('four clients with the same new image: encoded for one, found by the others', async () => {
    const { ask } = await served(4);
    const image = await imagePart(1);
    const answers = await Promise.all(
      [true, false, true, false].map((stream, index) =>
        ask([image, words(`question ${index}`)], { stream }),
      ),
    );
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      await answer.text();
    }
    expect(answers.filter((answer) => hitOf(answer) === 'kv')).toHaveLength(3);
  });

  test('clients that leave at any stage leave no slot behind', async () => {
    const { ask } = await served(1);
    const image = await imagePart(2);
    // Each leaves a little later: while its image is decoded, waits, is encoded, is answered.
    const leavers = Array.from({ length: 12 }, async (_, index) => {
      const client = new AbortController();
      const asked = ask(
        [await imagePart(10 + index), words('x')],
        { stream: true, max_tokens: 2000, ignore_eos: true },
        client.signal,
      );
      setTimeout(() => client.abort(), 15 * index);
      await asked.then((answer) => answer.text()).catch(() => undefined);
    });
    await Promise.all(leavers);
    const answer = await ask([image, words('still there?')]);
    expect(answer.status).toBe(200);
  });

  test('ten times more requests than it holds: some are answered, the rest refused with a time', async () => {
    const pipeline = { ...PIPELINE, queueLimit: 4 };
    const { ask } = await served(2, { pipeline });
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => ask(`question ${index}`, { max_tokens: 40 })),
    );
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    for (const answer of answers.filter(({ status }) => status === 429)) {
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(await answer.json()).toMatchObject({ error: { code: 'queue_full' }, src: 'mmdeploy' });
    }
    await vi.waitFor(async () => expect((await ask('again')).status).toBe(200), UNTIL);
  });
});
