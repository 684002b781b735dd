import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { plainPrompts } from '../helpers/serve-prompts.ts';
import { demoArgs, picture, REAL_ENGINE } from '../helpers/serve-engine.ts';
import { chatBody, openGateway, serveFake } from '../helpers/serve-gateway.ts';
import { supervise } from '../helpers/serve-supervisor.ts';

async function serveDemo() {
  const { supervisor } = supervise(REAL_ENGINE, { args: await demoArgs() });
  await supervisor.start();
  const { url } = await openGateway(supervisor, { prompts: plainPrompts() });
  return { url, client: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }) };
}

async function withImage(seed: number) {
  const url = `data:image/png;base64,${(await picture(seed)).toString('base64')}`;
  return [
    {
      role: 'user' as const,
      content: [
        { type: 'input_text' as const, text: 'what is it?' },
        { type: 'input_image' as const, image_url: url, detail: 'auto' as const },
      ],
    },
  ];
}

describe.skipIf(REAL_ENGINE === '')("/v1/responses through OpenAI's client", () => {
  test('an image is counted, seen and billed; a schema is obeyed', async () => {
    const { client } = await serveDemo();
    const input = await withImage(1);
    const { input_tokens: counted } = await client.responses.inputTokens.count({
      model: 'demo',
      input,
    });
    expect(counted).toBeGreaterThan(576);
    const answer = await client.responses.create({ model: 'demo', input, max_output_tokens: 4 });
    expect(answer.output_text).not.toBe('');
    expect(answer.usage).toMatchObject({
      input_tokens: counted,
      input_tokens_details: { image_tokens: 576 },
    });
    const schema = { enum: ['seven'] };
    const shaped = await client.responses.create({
      model: 'demo',
      input: 'a number',
      temperature: 0,
      max_output_tokens: 40,
      text: { format: { type: 'json_schema', name: 'n', schema } },
    });
    expect(JSON.parse(shaped.output_text)).toBe('seven');
  });

  test('a stream ends with the usage by modality', async () => {
    const { client } = await serveDemo();
    const stream = await client.responses.create({
      model: 'demo',
      input: await withImage(2),
      max_output_tokens: 4,
      stream: true,
    });
    let words = '';
    let usage: unknown = null;
    for await (const event of stream) {
      if (event.type === 'response.output_text.delta') words += event.delta;
      if (event.type === 'response.completed') usage = event.response.usage;
    }
    expect(words).not.toBe('');
    expect(usage).toMatchObject({ input_tokens_details: { image_tokens: 576 } });
  });

  test('a response that was to follow another one is refused, not answered without it', async () => {
    const { client } = await serveDemo();
    const asked = client.responses.create({
      model: 'demo',
      input: 'and then?',
      previous_response_id: 'resp_1',
    });
    await expect(asked).rejects.toThrow(/400.*previous_response_id/);
  });
});

test('an engine without /v1/responses: 501, and what to use instead', async () => {
  const { url } = await serveFake('no-responses', { prompts: plainPrompts() });
  for (const path of ['/v1/responses', '/v1/responses/input_tokens']) {
    const response = await fetch(url + path, { ...chatBody(), body: '{"input":"hi"}' });
    expect(response.status).toBe(501);
    expect(await response.json()).toMatchObject({
      error: { code: 'unsupported_route' },
      src: 'mmdeploy',
    });
  }
});
