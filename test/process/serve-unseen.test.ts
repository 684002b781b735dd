import { describe, expect, test } from 'vitest';
import { countInput, countText } from '../../src/serve/gateway/chat/count-input.ts';
import { Witness, type CountInput } from '../../src/serve/gateway/chat/witness.ts';
import type { EngineSource } from '../../src/serve/seams.ts';
import { demoArgs, imagePart, REAL_ENGINE } from '../helpers/serve-engine.ts';
import { openGateway } from '../helpers/serve-gateway.ts';
import { plainPrompts } from '../helpers/serve-prompts.ts';
import { fakeEngine, supervise } from '../helpers/serve-supervisor.ts';

/** A gateway that proves what was seen, in front of an engine that cannot be asked beforehand. */
async function serveUnasked(file: string, args: readonly string[], count: CountInput) {
  const { supervisor } = supervise(file, { args });
  await supervisor.start();
  const source: EngineSource = supervisor;
  const odd: string[] = [];
  const witness = new Witness({
    source,
    countInput: count,
    countText,
    references: { image: null, audio: null },
    onOdd: (what) => odd.push(what),
  });
  const { url } = await openGateway(source, { prompts: plainPrompts({ witness }) });
  const post = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url + path, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };
  return { post, odd };
}

const serveFake = (name: string) => serveUnasked(fakeEngine(name), [], countInput);
const CHAT = '/v1/chat/completions';

async function aboutImages(count: number, first = 1) {
  const images = await Promise.all(Array.from({ length: count }, (_, at) => imagePart(first + at)));
  const content = [{ type: 'text', text: 'what is it?' }, ...images];
  return { max_tokens: 4, messages: [{ role: 'user', content }] };
}

describe('an engine without input_tokens', () => {
  test('a true answer passes, streamed or not, without the usage that nobody asked for', async () => {
    const { post, odd } = await serveFake('no-input-tokens');
    const whole = await post(CHAT, await aboutImages(2));
    expect(whole.status).toBe(200);
    expect(JSON.parse(whole.text)).toMatchObject({ usage: { prompt_tokens: 5 + 2 * 576 } });
    const streamed = await serveFake('no-input-tokens');
    const stream = await streamed.post(CHAT, { ...(await aboutImages(2)), stream: true });
    expect(stream.text).toContain('a wall');
    expect(stream.text).toMatch(/data: \[DONE\]\n\n$/);
    expect(stream.text).not.toContain('usage');
    expect([...odd, ...streamed.odd]).toEqual([]);
  });

  test('a stream that asked for its usage keeps it, with the tokens of the media', async () => {
    const { post } = await serveFake('no-input-tokens');
    const options = { stream: true, stream_options: { include_usage: true } };
    const { text } = await post(CHAT, { ...(await aboutImages(1)), ...options });
    expect(text).toContain('"prompt_tokens_details":{"image_tokens":576,');
  });

  test('an answer without one of two pictures is an error with both numbers, each time', async () => {
    const { post } = await serveFake('loses-an-image');
    for (const images of [1, 2]) {
      const { status, text } = await post(CHAT, await aboutImages(images));
      expect(status).toBe(502);
      expect(JSON.parse(text)).toMatchObject({
        error: { code: 'media_not_seen', message: expect.stringMatching(/ 576/) as string },
        src: 'mmdeploy',
      });
    }
  });

  test.each([undefined, { include_usage: true }])(
    'a stream without the picture ends in an error, not in [DONE] (%j)',
    async (options) => {
      const { post } = await serveFake('loses-an-image');
      const asked = { ...(await aboutImages(1)), stream: true, stream_options: options };
      const { text } = await post(CHAT, asked);
      expect(text).toContain('a wall');
      expect(text).not.toContain('[DONE]');
      const last = text.trimEnd().split('\n\n').at(-1) ?? '';
      expect(JSON.parse(last.slice('data: '.length))).toMatchObject({
        error: { code: 'media_not_seen' },
        src: 'mmdeploy',
      });
    },
  );

  test('the same in the words of another interface', async () => {
    const { post } = await serveFake('loses-an-image');
    const data = (await imagePart(1)).image_url.url.split(',')[1];
    const content = [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data } }];
    const asked = { max_tokens: 4, messages: [{ role: 'user', content }] };
    const whole = await post('/v1/messages', asked);
    expect([whole.status, JSON.parse(whole.text)]).toMatchObject([
      502,
      { type: 'error', error: { type: 'api_error', code: 'media_not_seen' } },
    ]);
    const { text } = await post('/v1/messages', { ...asked, stream: true });
    expect(text).not.toContain('message_stop');
    expect(text.trimEnd().split('\n\n').at(-1)).toMatch(/^event: error\n.*media_not_seen/);
  });

  test('words alone are not checked: an engine that tells no usage may answer them', async () => {
    const { post } = await serveFake('loses-an-image');
    const hello = { messages: [{ role: 'user', content: 'hello' }], stream: true };
    expect((await post(CHAT, hello)).text).toMatch(/data: \[DONE\]\n\n$/);
  });
});

describe.skipIf(REAL_ENGINE === '')('the real engine, as if it had no input_tokens', () => {
  test('its answers are counted to the token', async () => {
    const none: CountInput = () => Promise.resolve(null);
    const { post, odd } = await serveUnasked(REAL_ENGINE, await demoArgs(), none);
    const forms = [{}, { stream: true }, { tools: [], temperature: 0 }];
    for (const [at, more] of forms.entries()) {
      const { status, text } = await post(CHAT, { ...(await aboutImages(2, 1 + 2 * at)), ...more });
      expect([status, text]).toEqual([200, expect.not.stringContaining('media_not_seen')]);
    }
    expect(odd).toEqual([]);
  });
});
