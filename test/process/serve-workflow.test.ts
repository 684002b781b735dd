import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { MmdeployError } from '../../src/errors.ts';
import { readRelief, writeRelief } from '../../src/serve/relief-file.ts';
import { NO_RELIEF, type Relief } from '../../src/serve/relief.ts';
import { serveWorkflow } from '../../src/workflows/serve.ts';
import { startServing, type ServeTools } from '../../src/workflows/start-serving.ts';
import { serveContext, serveRequest, type TestContext } from '../helpers/serve-context.ts';
import { DEMO_MODEL } from '../helpers/serve-engine.ts';
import { chatBody } from '../helpers/serve-gateway.ts';
import { isAlive, temporaryFolder } from '../helpers/serve-supervisor.ts';

const UNTIL = { timeout: 10_000, interval: 10 };
const tools: ServeTools = { model: DEMO_MODEL };

async function failureOf(promise: Promise<unknown>): Promise<MmdeployError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MmdeployError)) throw new Error(`no MmdeployError: ${String(error)}`);
  return error;
}

async function readyUrl({ notices }: TestContext): Promise<string> {
  return vi.waitFor(() => {
    const url = /^ready in \d+\.\d s at (http:\/\/127\.0\.0\.1:\d+)$/m.exec(
      notices.join('\n'),
    )?.[1];
    if (url === undefined) throw new Error(`not ready: ${notices.join('\n')}`);
    return url;
  }, UNTIL);
}

test('one line per phase; a stop ends with 0 and leaves nothing behind', async () => {
  const runtime = temporaryFolder();
  const context = serveContext({ XDG_RUNTIME_DIR: runtime });
  const served = serveWorkflow(serveRequest('well-behaved'), context.ctx, tools);
  const url = await readyUrl(context);
  expect(readdirSync(runtime)).toHaveLength(1);
  const answer = await fetch(`${url}/v1/chat/completions`, chatBody());
  expect(answer.status).toBe(200);
  context.interrupt();
  expect(await served).toEqual({ exitCode: 0 });
  expect(readdirSync(runtime)).toEqual([]);
  await expect(fetch(`${url}/health`)).rejects.toThrow();
  expect(context.notices.map((line) => line.split(' ')[0])).toEqual([
    'engine',
    'starting',
    'loading',
    'ready',
    'stopping',
    'stopped',
  ]);
  expect(readFileSync(join(context.ctx.folders.state, 'engine.log'), 'utf8')).toContain(
    'listening',
  );
});

test('a stop lets the running answer finish', async () => {
  const context = serveContext();
  const served = serveWorkflow(serveRequest('slow-to-answer'), context.ctx, tools);
  const url = await readyUrl(context);
  const response = await fetch(`${url}/v1/chat/completions`, chatBody({ stream: true }));
  context.interrupt();
  const answer = await response.text();
  expect(answer).toContain('word39');
  expect(answer).toMatch(/data: \[DONE\]\n\n$/);
  expect(await served).toEqual({ exitCode: 0 });
});

test('a stop while it loads is a clean stop', async () => {
  const context = serveContext();
  const served = serveWorkflow(serveRequest('hangs-at-load'), context.ctx, tools);
  await vi.waitFor(() => expect(context.notices.join()).toContain('loading'), UNTIL);
  context.interrupt();
  expect(await served).toEqual({ exitCode: 0 });
});

test('force ends a drain that would take for ever', async () => {
  const context = serveContext();
  const force = new AbortController();
  const request = serveRequest('never-finishes', { drainMs: 600_000 });
  const served = serveWorkflow(request, context.ctx, { ...tools, force: force.signal });
  const url = await readyUrl(context);
  const response = await fetch(`${url}/v1/chat/completions`, chatBody({ stream: true }));
  context.interrupt();
  await vi.waitFor(() => expect(context.notices.join()).toContain('stopping'), UNTIL);
  force.abort();
  expect(await served).toEqual({ exitCode: 0 });
  expect(await response.text().catch(() => '')).not.toContain('[DONE]');
});

test('a request has the time that it was given as a whole, and its line in the log the reason', async () => {
  const log = join(temporaryFolder(), 'serve.log');
  const context = serveContext();
  const request = serveRequest('never-finishes', {
    requestTimeoutMs: 400,
    log: { file: log, level: 'info' },
  });
  const served = serveWorkflow(request, context.ctx, tools);
  const url = await readyUrl(context);
  const response = await fetch(`${url}/v1/chat/completions`, chatBody({ stream: true }));
  expect(await response.text()).toMatch(/"code":"request_timeout"[^\n]*\n\n$/);
  context.interrupt();
  expect(await served).toEqual({ exitCode: 0 });
  expect(readFileSync(log, 'utf8')).toContain('"reason":"request_timeout"');
});

describe('what cannot start says why and how to go on', () => {
  test('a taken port, before the engine is started', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void taken.close());
    await vi.waitFor(() => expect(taken.listening).toBe(true), UNTIL);
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const context = serveContext();
    const error = await failureOf(
      serveWorkflow(serveRequest('well-behaved', { port }), context.ctx, tools),
    );
    expect(error.exitCode).toBe(2);
    expect(error.message).toBe(`port ${port} on 127.0.0.1 is already in use`);
    expect(error.hints.join()).toContain('--port 0');
    expect(context.notices).toEqual([]);
  });

  test('a host that is not ours', async () => {
    const request = serveRequest('well-behaved', { host: '203.0.113.7' });
    const error = await failureOf(serveWorkflow(request, serveContext().ctx, tools));
    expect(error.code).toBe('usage.invalid');
    expect(error.message).toContain('203.0.113.7');
  });

  test('no engine at that path', async () => {
    const request = { ...serveRequest('well-behaved'), enginePath: '/nonexistent/llama-server' };
    const error = await failureOf(serveWorkflow(request, serveContext().ctx, tools));
    expect(error.code).toBe('engine.not-found');
    expect(error.exitCode).toBe(5);
    expect(error.hints.join()).toContain('mmdeploy engine install');
  });

  test('a missing and an empty key file', async () => {
    const context = serveContext();
    const missing = join(context.ctx.cwd, 'missing');
    const empty = join(context.ctx.cwd, 'empty');
    writeFileSync(empty, '# no key yet\n');
    const failure = (apiKeyFile: string) =>
      failureOf(serveWorkflow(serveRequest('well-behaved', { apiKeyFile }), context.ctx, tools));
    expect((await failure(missing)).code).toBe('file.missing');
    expect((await failure(empty)).code).toBe('input.invalid');
  });

  test('an engine that dies at its start: exit 6, reason, tail, port free again', async () => {
    const context = serveContext({ FAKE_LAST_WORDS: 'error: CLIP cannot be used as main model' });
    const error = await failureOf(serveWorkflow(serveRequest('dies-at-start'), context.ctx, tools));
    expect(error.exitCode).toBe(6);
    expect(error.message).toMatch(/is a projector/);
    expect(error.details.at(-1)).toContain('CLIP cannot be used');
  });
});

describe('beyond loopback', () => {
  const start = async (keys: string | null) => {
    const context = serveContext();
    const apiKeyFile = keys === null ? null : join(context.ctx.cwd, 'keys');
    if (apiKeyFile !== null) writeFileSync(apiKeyFile, keys ?? '');
    const request = serveRequest('well-behaved', { host: '0.0.0.0', apiKeyFile });
    const serving = await startServing(request, context.ctx, tools);
    onTestFinished(() => serving.stop());
    return { serving, warned: context.notices.join().includes('warning:') };
  };

  test('without a key: a warning', async () => {
    const { serving, warned } = await start(null);
    expect(warned).toBe(true);
    expect(serving.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  test('with keys: none, and our own requests have one of their own', async () => {
    const { serving, warned } = await start('secret\n');
    expect(warned).toBe(false);
    const ask = async (headers: Record<string, string>) =>
      (await fetch(`${serving.url}/v1/models`, { headers })).status;
    expect(await ask({})).toBe(401);
    expect(await ask({ authorization: 'Bearer secret' })).toBe(200);
    expect(serving.apiKey).not.toBe('secret');
    expect(await ask({ authorization: `Bearer ${serving.apiKey}` })).toBe(200);
  });
});

describe('-- COMMAND', () => {
  const node = (code: string) => [process.execPath, '-e', code];

  test('gets URL and key once the engine is ready, and its exit code is ours', async () => {
    const context = serveContext();
    const out = join(context.ctx.cwd, 'out.json');
    const script = `
      const { OPENAI_BASE_URL: url, OPENAI_API_KEY: key } = process.env;
      const models = await (await fetch(url + '/models')).json();
      require('node:fs').writeFileSync(${JSON.stringify(out)}, JSON.stringify({ url, key, models }));
      process.exitCode = 7;`;
    const command = node(`(async () => {${script}})()`);
    const result = await serveWorkflow(
      serveRequest('slow-to-load', { command }),
      { ...context.ctx, env: { ...context.ctx.env, FAKE_LOAD_STEPS: '3' } },
      tools,
    );
    expect(result).toEqual({ exitCode: 7 });
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual({
      url: `${await readyUrl(context)}/v1`,
      key: 'none',
      models: { object: 'list', data: [expect.objectContaining({ id: 'fake' })] },
    });
    expect(context.notices.at(-1)).toBe('stopped');
  });

  test('ended by a signal: 128 + its number', async () => {
    const command = node('process.kill(process.pid, "SIGTERM")');
    const request = serveRequest('well-behaved', { command });
    expect(await serveWorkflow(request, serveContext().ctx, tools)).toEqual({ exitCode: 143 });
  });

  test('our own SIGTERM is passed on to it', async () => {
    const context = serveContext();
    const started = join(context.ctx.cwd, 'started');
    const command = node(
      `process.on('SIGTERM', () => process.exit(9)); require('node:fs').writeFileSync(${JSON.stringify(started)}, ''); setInterval(() => {}, 1000);`,
    );
    const served = serveWorkflow(serveRequest('well-behaved', { command }), context.ctx, tools);
    await vi.waitFor(() => expect(existsSync(started)).toBe(true), UNTIL);
    context.interrupt();
    expect(await served).toEqual({ exitCode: 9 });
  });

  test('cannot be found: exit 5, and the engine is stopped', async () => {
    const context = serveContext();
    const request = serveRequest('well-behaved', { command: ['no-such-program-here'] });
    const error = await failureOf(serveWorkflow(request, context.ctx, tools));
    expect(error.exitCode).toBe(5);
    expect(error.message).toContain('no-such-program-here');
    expect(context.notices.at(-1)).toBe('stopped');
  });

  test('a stop while the engine loads: the command never ran, which is no success', async () => {
    const context = serveContext();
    const request = serveRequest('hangs-at-load', { command: node('') });
    const failed = failureOf(serveWorkflow(request, context.ctx, tools));
    await vi.waitFor(() => expect(context.notices.join()).toContain('loading'), UNTIL);
    context.interrupt();
    expect((await failed).exitCode).toBe(130);
  });
});

test('kill -9 of the engine while serving: said, restarted, served again', async () => {
  const context = serveContext();
  const serving = await startServing(serveRequest('well-behaved'), context.ctx, tools);
  onTestFinished(() => serving.stop());
  const first = serving.enginePid() ?? 0;
  process.kill(first, 'SIGKILL');
  await vi.waitFor(async () => {
    expect(serving.enginePid()).not.toBe(first);
    expect((await fetch(`${serving.url}/v1/models`)).status).toBe(200);
  }, UNTIL);
  expect(isAlive(first)).toBe(false);
  expect(context.notices.join('\n')).toMatch(/crashed +signal SIGKILL: restart in 0\.0 s/);
});

test('out of memory while serving: each step is said and kept, and the next server starts with it', async () => {
  const context = serveContext({
    FAKE_ENOUGH: '--image-max-tokens 512',
    FAKE_MEMORY_WORDS: 'CUDA error: out of memory',
    FAKE_WHEN: 'chat',
  });
  const argv = ['--mmproj', 'p.gguf', '--ctx-size', '8192', '--parallel', '2'];
  const file = join(context.ctx.folders.state, 'relief.json');
  const relief = async () => ({
    scope: {
      flags: ['--no-mmproj-offload', '--image-max-tokens'],
      imageTokens: { largest: 1024, least: 256 },
    },
    initial: (await readRelief(file))?.relief ?? NO_RELIEF,
    remember: (step: Relief) => writeRelief(file, new Date(), 'fake', step),
  });
  const start = async () => {
    const request = serveRequest('out-of-memory', { argv });
    const serving = await startServing(request, context.ctx, { ...tools, relief: await relief() });
    onTestFinished(() => serving.stop());
    const chat = () => fetch(`${serving.url}/v1/chat/completions`, chatBody());
    return { serving, chat };
  };
  const first = await start();
  await vi.waitFor(async () => expect((await first.chat()).status).toBe(200), UNTIL);
  await first.serving.stop();
  expect(context.notices.filter((line) => line.startsWith('memory'))).toEqual([
    'memory    it ran out: started with --no-mmproj-offload from now on',
    'memory    it ran out: started with --no-mmproj-offload, --image-max-tokens 512 from now on',
  ]);
  const before = context.notices.length;
  const second = await start();
  expect((await second.chat()).status).toBe(200);
  expect(context.notices.slice(before).map((line) => line.split(' ')[0])).toEqual([
    'engine',
    'starting',
    'loading',
    'ready',
  ]);
});

test("a key that clients send is in no engine's log and not in its environment", async () => {
  const context = serveContext({ LLAMA_API_KEY: 'sk-secret-of-the-shell' });
  const keys = join(context.ctx.cwd, 'keys');
  writeFileSync(keys, 'sk-secret-of-a-client\n', { mode: 0o600 });
  const request = serveRequest('tells-all', { apiKeyFile: keys });
  const serving = await startServing(request, context.ctx, tools);
  const body = chatBody();
  const headers = { ...body.headers, authorization: 'Bearer sk-secret-of-a-client' };
  const answer = await fetch(`${serving.url}/v1/chat/completions`, { ...body, headers });
  expect(answer.status).toBe(200);
  await serving.stop();
  const log = readFileSync(join(context.ctx.folders.state, 'engine.log'), 'utf8');
  expect(log).toContain('"content-type":"application/json"');
  expect(log).not.toContain('sk-secret');
});
