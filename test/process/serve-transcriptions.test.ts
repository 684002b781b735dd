import OpenAI, { toFile } from 'openai';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../src/serve/gateway/errors.ts';
import { chatBody, serveFake } from '../helpers/serve-gateway.ts';
import { plainPrompts } from '../helpers/serve-prompts.ts';

const PATH = '/v1/audio/transcriptions';
const sound = Buffer.from('RIFF, as far as the fake knows');

async function serveHearing() {
  const served = await serveFake('well-behaved', { prompts: plainPrompts() });
  const client = new OpenAI({ baseURL: `${served.url}/v1`, apiKey: 'none', maxRetries: 0 });
  return { ...served, client };
}

const formOf = (fields: Readonly<Record<string, string | Blob>>) => {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
};
const post = (url: string, body: FormData) => fetch(url + PATH, { method: 'POST', body });

describe(PATH, () => {
  test("through OpenAI's client: the words, and the usage", async () => {
    const { client } = await serveHearing();
    const answer = await client.audio.transcriptions.create({
      model: 'demo',
      file: await toFile(sound, 'a.wav'),
      language: 'en',
    });
    expect(answer.text).toBe('a small fake');
    expect(answer.usage).toMatchObject({
      input_tokens: 7,
      input_token_details: { audio_tokens: 576 },
    });
  });

  test('plain text', async () => {
    const { url } = await serveHearing();
    const response = await post(url, formOf({ file: new Blob([sound]), response_format: 'text' }));
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toBe('a small fake\n');
  });

  test.each([
    ['no file', { language: 'en' }, /no `file`/],
    ['an empty file', { file: new Blob([]) }, /no `file`/],
    ['subtitles', { file: new Blob([sound]), response_format: 'srt' }, /no times/],
    ['a stream', { file: new Blob([sound]), stream: 'true' }, /not streamed/],
    ['a wild temperature', { file: new Blob([sound]), temperature: 'x' }, /from 0 to 2/],
  ])('%s: 400', async (_name, fields, message) => {
    const { url } = await serveHearing();
    const response = await post(url, formOf(fields));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { message: expect.stringMatching(message) as string },
      src: 'mmdeploy',
    });
  });

  test.each([
    [
      'cut off',
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; na',
      400,
    ],
    ['without a boundary', 'multipart/form-data', 'x', 400],
    ['no form', 'application/json', '{}', 415],
    ['too long', 'multipart/form-data; boundary=x', 'x'.repeat(2 * 1024 * 1024), 413],
    [
      'of a thousand parts',
      'multipart/form-data; boundary=x',
      `--x${'\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x'.repeat(1000)}--`,
      400,
    ],
  ])('a body %s', async (_name, type, body, status) => {
    const { url } = await serveHearing();
    const headers = { 'content-type': type };
    const response = await fetch(url + PATH, { method: 'POST', headers, body });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ src: 'mmdeploy' });
  });

  test('a model that does not hear: the reason of the firewall', async () => {
    const deaf = new GatewayError(400, 'unsupported_media', 'it hears nothing; ultravox-8b does');
    const preparer = { prepare: () => Promise.reject(deaf) };
    const { url } = await serveFake('well-behaved', { prompts: plainPrompts({ preparer }) });
    const response = await post(url, formOf({ file: new Blob([sound]) }));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { message: expect.stringContaining('ultravox-8b') as string },
    });
  });

  test('forms are for this route only', async () => {
    const { url } = await serveHearing();
    const response = await fetch(`${url}/v1/chat/completions`, {
      ...chatBody(),
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: '--x--',
    });
    expect(response.status).toBe(415);
  });
});
