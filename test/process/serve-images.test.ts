import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import OpenAI from 'openai';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { fixedKeys } from '../../src/serve/gateway/key-file.ts';
import { plainKey } from '../../src/serve/gateway/keys.ts';
import { imageEngineUrl } from '../../src/serve/gateway/routes/image-engine.ts';
import { chatBody, deadEngine, openGateway } from '../helpers/serve-gateway.ts';

const PATH = '/v1/images/generations';
const UNTIL = { timeout: 10_000, interval: 10 };

async function behind(answer: (request: IncomingMessage, response: ServerResponse) => unknown) {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const { url } = await openGateway(deadEngine(false), {
    imageEngine: imageEngineUrl(`http://127.0.0.1:${port}`),
    keys: fixedKeys([plainKey('secret')]),
  });
  return { url, client: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'secret', maxRetries: 0 }) };
}

describe('/v1/images/generations', () => {
  test('the image server gets the body as it was sent, and not the key', async () => {
    let seen: { readonly url?: string; readonly headers: string; readonly body: unknown } | null =
      null;
    const { client } = await behind(async (request, response) => {
      const { url = '', headers } = request;
      seen = { url, headers: JSON.stringify(headers), body: JSON.parse(await text(request)) };
      response.setHeader('content-type', 'application/json');
      response.end('{"created":1,"data":[{"b64_json":"AAAA"}]}');
    });
    const { data } = await client.images.generate({ prompt: 'a cat', size: '1024x1024' });
    expect(data?.[0]?.b64_json).toBe('AAAA');
    expect(seen).toMatchObject({ url: PATH, body: { prompt: 'a cat', size: '1024x1024' } });
    expect(JSON.stringify(seen)).not.toContain('secret');
  });

  test('pictures that come by and by are passed on as they come', async () => {
    let finish: () => void = () => undefined;
    const { url } = await behind((_request, response) => {
      response.setHeader('content-type', 'text/event-stream');
      response.write('data: {"type":"image_generation.partial_image"}\n\n');
      finish = () => response.end('data: [DONE]\n\n');
    });
    const { headers } = chatBody();
    const response = await fetch(url + PATH, {
      method: 'POST',
      headers: { ...headers, authorization: 'Bearer secret' },
      body: '{"prompt":"x","stream":true}',
    });
    const reader = response.body?.getReader();
    const first = await reader?.read();
    expect(Buffer.from(first?.value ?? []).toString()).toContain('partial_image');
    finish();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toContain('[DONE]');
  });

  test('a client that hangs up ends the work of the image server', async () => {
    let closed = false;
    let begun = false;
    const { client } = await behind((_request, response) => {
      begun = true;
      response.once('close', () => (closed = true));
    });
    const controller = new AbortController();
    const asked = client.images.generate({ prompt: 'x' }, { signal: controller.signal });
    asked.catch(() => undefined);
    await vi.waitFor(() => expect(begun).toBe(true), UNTIL);
    controller.abort();
    await vi.waitFor(() => expect(closed).toBe(true), UNTIL);
  });

  test('its refusals are passed on in its words; its absence is 502; none is 501 with what to do', async () => {
    const { client } = await behind((_request, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end('{"error":{"message":"no such size","code":"size"}}');
    });
    await expect(client.images.generate({ prompt: 'x' })).rejects.toThrow('400 no such size');
    const statuses = [];
    for (const imageEngine of [imageEngineUrl('http://127.0.0.1:1'), null]) {
      const { url } = await openGateway(deadEngine(true), { imageEngine });
      const response = await fetch(url + PATH, chatBody());
      statuses.push([response.status, await response.json()]);
    }
    expect(statuses).toMatchObject([
      [502, { error: { code: 'image_engine_lost' }, src: 'mmdeploy' }],
      [501, { error: { message: expect.stringContaining('--image-engine URL') as string } }],
    ]);
  });

  test.each([
    ['http://host:8188', `http://host:8188${PATH}`],
    ['http://host/v1/', `http://host${PATH}`],
    ['https://host/images/v1', `https://host/images${PATH}`],
  ])('--image-engine %s', (given, used) => {
    expect(imageEngineUrl(given).href).toBe(used);
  });

  test.each(['host:8188', 'file:///x', ''])('--image-engine `%s` is refused', (given) => {
    expect(() => imageEngineUrl(given)).toThrow(/is no http address/);
  });
});
