import { describe, expect, test } from 'vitest';
import { fixedKeys } from '../../src/serve/gateway/key-file.ts';
import { plainKey } from '../../src/serve/gateway/keys.ts';
import { publicModels } from '../../src/serve/gateway/routes/models.ts';
import { chatBody, serveFake } from '../helpers/serve-gateway.ts';

/** Every route of llama-server's HTTP interface (tools/server/server.cpp), by what becomes of it here. */
const ENGINE_ROUTES = {
  served: ['/v1/chat/completions', '/v1/completions', '/v1/models', '/tokenize', '/health'],
  inside: `/ /index.html /v1/health /metrics /props /models /models/load /models/unload /models/sse
    /completion /completions /chat/completions /v1/chat/completions/control /responses
    /audio/transcriptions /infill /embedding /embeddings /v1/embeddings /rerank /reranking /v1/rerank
    /v1/reranking /v1/systemone /detokenize /apply-template /chat/completions/input_tokens
    /v1/chat/completions/input_tokens /responses/input_tokens /lora-adapters /slots /slots/0
    /v1/stream /v1/stream/x /v1/streams /v1/streams/lookup /cors-proxy /tools /predict`.split(
    /\s+/,
  ),
};

function ownError(code: string): unknown {
  const error = { message: expect.any(String), type: expect.any(String), param: null, code };
  return { error, src: 'mmdeploy' };
}

const METHODS = ['GET', 'POST', 'DELETE', 'PUT'];

describe('what the engine offers beyond our routes stays inside', () => {
  test('404 for each of them, whatever the method and the way of writing', async () => {
    const { url } = await serveFake('well-behaved');
    for (const path of ENGINE_ROUTES.inside) {
      const spellings = [path, `${path}?x=1`, `/${path}`, path.toUpperCase(), `/v1/..${path}`];
      for (const spelling of path === '/' ? [path] : spellings) {
        if (new URL(url + spelling).pathname === '/health') continue;
        const method = METHODS[spelling.length % METHODS.length] ?? 'GET';
        const body = method === 'POST' ? chatBody() : { method };
        const response = await fetch(url + spelling, body);
        expect(response.status, `${method} ${spelling}`).toBe(404);
        expect(await response.json()).toEqual(ownError('unknown_route'));
      }
    }
  });

  test('405 names what a route takes', async () => {
    const { url } = await serveFake('well-behaved');
    const response = await fetch(`${url}/v1/chat/completions`);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    expect(await response.json()).toEqual(ownError('method_not_allowed'));
    expect((await fetch(`${url}/v1/models`, { method: 'DELETE' })).headers.get('allow')).toBe(
      'GET',
    );
  });

  test('with keys, neither tells a stranger which routes there are', async () => {
    const { url } = await serveFake('well-behaved', { keys: fixedKeys([plainKey('one')]) });
    for (const path of [...ENGINE_ROUTES.inside, ...ENGINE_ROUTES.served]) {
      const { status } = await fetch(url + path, { method: 'DELETE' });
      expect(status, path).toBe(401);
    }
    for (const path of ENGINE_ROUTES.served.filter((each) => each !== '/health')) {
      expect((await fetch(url + path)).status, path).toBe(401);
    }
    const anthropic = await fetch(`${url}/v1/models`, { headers: { 'x-api-key': 'one' } });
    expect(anthropic.status).toBe(200);
  });
});

describe('bodies', () => {
  const asked = async (path: string, body: object) => {
    const { url } = await serveFake('well-behaved');
    return fetch(url + path, { ...chatBody(), body: JSON.stringify(body) });
  };

  test.each(['/v1/completions', '/tokenize'])(
    '%s reaches the engine without the fields that are not for clients, and says so',
    async (path) => {
      const own = path === '/tokenize' ? { content: 'x' } : { prompt: 'x' };
      const response = await asked(path, { ...own, id_slot: 1, lora: [], user: 'me' });
      // Which slot it takes is the gateway's own word.
      const { id_slot: slot, ...body } = ((await response.json()) as { body: object })
        .body as Record<string, unknown>;
      expect(body).toEqual(own);
      expect(slot).not.toBe(1);
      expect(response.headers.get('x-mmdeploy-dropped-fields')).toBe('id_slot, lora');
    },
  );

  test.each([
    { prompt: { prompt_string: 'x', multimodal_data: ['AA=='] } },
    { prompt: ['a', { prompt_string: 'x', multimodal_data: ['AA=='] }] },
  ])('a completion with media is 400: %j', async (body) => {
    const response = await asked('/v1/completions', body);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual(ownError('invalid_field'));
  });

  test('a field name that would break a header is dropped without being named', async () => {
    const response = await asked('/tokenize', { content: 'x', 'a\r\nb': 1, ü: 1 });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-mmdeploy-dropped-fields')).toBeNull();
  });
});

describe('pages of browsers', () => {
  const page = { origin: 'https://app.example' };
  const preflight = {
    method: 'OPTIONS',
    headers: {
      ...page,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,x-stainless-lang',
    },
  };

  test('a preflight needs no key; the request behind it does', async () => {
    const { url } = await serveFake('well-behaved', {
      keys: fixedKeys([plainKey('one')]),
      corsOrigins: ['https://app.example'],
    });
    const asked = await fetch(`${url}/v1/chat/completions`, preflight);
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(asked.headers.get('access-control-allow-headers')).toContain('x-stainless-lang');
    const refused = await fetch(`${url}/v1/models`, { headers: page });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe('https://app.example');
  });

  test('off unless asked for', async () => {
    const { url } = await serveFake('well-behaved');
    const asked = await fetch(`${url}/v1/chat/completions`, preflight);
    expect(asked.status).toBe(405);
    expect(asked.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('/v1/models', () => {
  test('no folder of this machine, and one form of the list', () => {
    const told = publicModels({
      models: [{ name: '/home/me/models/gem.gguf' }],
      data: [
        {
          id: '/home/me/models/gem.gguf',
          aliases: ['/home/me/models/gem.gguf'],
          created: 5,
          architecture: { input_modalities: ['text', 'image', 'video'] },
          meta: { n_ctx: 4096, n_params: 1 },
        },
        {},
      ],
    });
    expect(JSON.stringify(told)).not.toContain('/home');
    expect(told).toMatchObject({
      object: 'list',
      data: [
        {
          id: 'gem',
          created: 5,
          architecture: { input_modalities: ['text', 'image'], output_modalities: ['text'] },
          context_length: 4096,
        },
        { id: 'model', context_length: null },
      ],
    });
  });
});
