import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { MmdeployError } from '../../src/errors.ts';
import { fixedKeys } from '../../src/serve/gateway/key-file.ts';
import { plainKey } from '../../src/serve/gateway/keys.ts';
import { askWorkflow, type AskRequest } from '../../src/workflows/ask.ts';
import { startServing } from '../../src/workflows/start-serving.ts';
import { imageBytes } from '../helpers/images.ts';
import { serveContext } from '../helpers/serve-context.ts';
import { DEMO_MODEL, REAL_ENGINE, demoRequest, picture } from '../helpers/serve-engine.ts';
import { deadEngine, openGateway, serveFake } from '../helpers/serve-gateway.ts';

function asking(url: string, overrides: Partial<AskRequest> = {}): AskRequest {
  const plain = { question: 'what?', images: [], maxTokens: 8, apiKey: null, stream: true };
  return { ...plain, url, ...overrides };
}

/** Asks and keeps what was written. */
async function ask(request: AskRequest, context = serveContext()) {
  const written: string[] = [];
  const result = await askWorkflow(request, context.ctx, (text) => written.push(text));
  return { result, written };
}

async function refusal(request: AskRequest, context = serveContext()): Promise<MmdeployError> {
  const error: unknown = await ask(request, context).catch((reason: unknown) => reason);
  if (!(error instanceof MmdeployError)) throw new Error(`no MmdeployError: ${String(error)}`);
  return error;
}

/** A server of somebody else's that answers everything with `status` and `body`. */
async function foreignServer(status: number, body: string, type = 'application/json') {
  const server = createServer((_request, response) => {
    response.writeHead(status, { 'content-type': type });
    response.end(body);
  });
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await vi.waitFor(() => expect(server.listening).toBe(true), { timeout: 10_000 });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

describe('a server that answers', () => {
  test('streams word by word; `/v1` in the URL or not', async () => {
    const { url } = await serveFake('well-behaved');
    for (const base of [url, `${url}/`, `${url}/v1`]) {
      const { result, written } = await ask(asking(base));
      expect(written).toEqual(['a', ' small', ' fake']);
      expect(result).toMatchObject({ answer: 'a small fake', billed: 7, completionTokens: 3 });
    }
  });

  test('not streamed: one piece', async () => {
    const { url } = await serveFake('well-behaved');
    const { result, written } = await ask(asking(url, { stream: false }));
    expect(written).toEqual(['a small fake']);
    expect(result).toMatchObject({ billed: 7, finishReason: 'stop' });
  });

  test('a server without our estimate: the answer all the same, the estimate unknown', async () => {
    const completion = {
      choices: [{ message: { content: 'yes' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 5, completion_tokens: 1 },
    };
    const url = await foreignServer(200, JSON.stringify(completion));
    const { result } = await ask(asking(url, { stream: false }));
    expect(result).toMatchObject({ answer: 'yes', estimated: null, billed: 5, difference: null });
  });
});

describe('what goes wrong is said with a next step', () => {
  test('no server', async () => {
    const error = await refusal(asking('http://127.0.0.1:1'));
    expect(error.code).toBe('request.failed');
    expect(error.message).toBe('nothing answers at http://127.0.0.1:1 (ECONNREFUSED)');
    expect(error.hints.join('\n')).toMatch(/`mmdeploy serve MODEL`[^]*`mmdeploy ask .* --demo`/);
  });

  test('an engine that is not there yet', async () => {
    const { url } = await openGateway(deadEngine(false));
    expect((await refusal(asking(url))).message).toContain('answered 503: the engine is starting');
  });

  test("the engine's own refusal, in its words", async () => {
    const { url } = await serveFake('answers-503');
    const { message } = await refusal(asking(url));
    expect(message).toBe('the server answered 503: no slot is free');
  });

  test('a wrong key', async () => {
    const { url } = await serveFake('well-behaved', { keys: fixedKeys([plainKey('right')]) });
    const error = await refusal(asking(url, { apiKey: 'wrong' }));
    expect(error.message).toContain('401');
    expect(error.hints.join()).toContain('OPENAI_API_KEY');
    expect((await ask(asking(url, { apiKey: 'right' }))).result.answer).toBe('a small fake');
  });

  test('the engine dies half-way: what came is shown, then the failure', async () => {
    const { url } = await serveFake('half-a-response');
    const written: string[] = [];
    const { ctx } = serveContext();
    await expect(askWorkflow(asking(url), ctx, (text) => written.push(text))).rejects.toMatchObject(
      {
        code: 'request.failed',
        message: expect.stringContaining('engine closed the connection') as string,
      },
    );
    expect(written.join('')).toBe('a b');
  });

  test('a stream that just stops', async () => {
    const event = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n';
    const url = await foreignServer(200, event, 'text/event-stream');
    expect((await refusal(asking(url))).message).toMatch(/ended too early/);
  });

  test('something else that listens there', async () => {
    const url = await foreignServer(200, '<html>hello</html>', 'text/html');
    const error = await refusal(asking(url, { stream: false }));
    expect(error.message).toContain('did not answer as a chat server');
  });

  test('Ctrl-C while it answers', async () => {
    const { url, readLog } = await serveFake('never-finishes');
    const context = serveContext();
    const refused = refusal(asking(url), context);
    await vi.waitFor(() => expect(readLog()).toContain('chat begins'), { timeout: 10_000 });
    context.interrupt();
    expect((await refused).exitCode).toBe(130);
  });

  test('a missing image, and files that are none', async () => {
    const context = serveContext();
    writeFileSync(join(context.ctx.cwd, 'text.png'), 'not a picture');
    writeFileSync(join(context.ctx.cwd, 'photo.tiff'), 'II*\0xxxxxxxx');
    const why = (image: string) =>
      refusal(asking('http://127.0.0.1:1', { images: [image] }), context);
    const missing = await why('no.png');
    expect(missing.exitCode).toBe(5);
    expect(missing.message).toBe('no such file: `no.png`');
    expect((await why('text.png')).message).toBe('`text.png` is not an image');
    expect((await why('photo.tiff')).message).toMatch(
      /^`photo.tiff` \(TIFF\) cannot be decoded here: ./,
    );
    expect((await why('.')).message).toBe('cannot read `.`: it is a folder');
  });
});

describe.skipIf(REAL_ENGINE === '')('the real llama-server', () => {
  test('two pictures, one with a lying name: answered, billed as estimated', async () => {
    const context = serveContext();
    const serving = await startServing(await demoRequest(), context.ctx, {
      model: DEMO_MODEL,
    });
    onTestFinished(() => serving.stop());
    writeFileSync(join(context.ctx.cwd, 'a.png'), await picture(1));
    writeFileSync(join(context.ctx.cwd, 'really-jpeg.png'), await picture(2, 'jpeg'));
    const images = ['a.png', 'really-jpeg.png'];
    for (const stream of [true, false]) {
      const { result, written } = await ask(asking(serving.url, { images, stream }), context);
      expect(written.join('')).toBe(result.answer);
      expect(result.answer).not.toBe('');
      expect(result.estimated).toMatchObject({ image: 1152, confidence: 'exact' });
      expect(result.billed).toBe(result.estimated?.total);
      expect(result.difference).toBe(0);
    }
  });

  test('WebP, AVIF and a turned JPEG: sent as it can read them, and said', async () => {
    const context = serveContext();
    const serving = await startServing(await demoRequest(), context.ctx, {
      model: DEMO_MODEL,
    });
    onTestFinished(() => serving.stop());
    const images = ['a.webp', 'b.avif', 'c.jpg'];
    const formats = ['webp', 'avif', 'jpeg'] as const;
    for (const [index, name] of images.entries()) {
      const size = { width: 60, height: 40, format: formats[index] ?? 'jpeg' };
      const turned = name === 'c.jpg' ? { orientation: 6 } : {};
      writeFileSync(join(context.ctx.cwd, name), await imageBytes({ ...size, ...turned }));
    }
    const { result } = await ask(asking(serving.url, { images }), context);
    expect(result).toMatchObject({ difference: 0, estimated: { image: 3 * 576 } });
    expect(context.notices.filter((line) => line.startsWith('image'))).toEqual([
      'image     a.webp: WebP, sent as JPEG',
      'image     b.avif: AVIF, sent as JPEG',
      'image     c.jpg: turned upright as its EXIF says, sent as JPEG',
    ]);
  });

  test('a picture that cannot be decoded is refused, and the part is named', async () => {
    const context = serveContext();
    const serving = await startServing(await demoRequest(), context.ctx, {
      model: DEMO_MODEL,
    });
    onTestFinished(() => serving.stop());
    writeFileSync(join(context.ctx.cwd, 'cut.png'), (await picture(1)).subarray(0, 60));
    const error = await refusal(asking(serving.url, { images: ['cut.png'] }), context);
    expect(error.message).toMatch(/^the server answered 400: `messages\[0\]\.content\[\d\]`/);
  });
});
