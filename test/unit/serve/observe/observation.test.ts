import { readFileSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished, describe, expect, it, vi } from 'vitest';
import { openRequestLog } from '../../../../src/serve/observe/log.ts';
import { createMetrics } from '../../../../src/serve/observe/metrics.ts';
import { watch } from '../../../../src/serve/observe/watched.ts';
import type { GatewayOptions } from '../../../../src/serve/gateway/gateway.ts';
import { fixedKeys } from '../../../../src/serve/gateway/key-file.ts';
import { plainKey } from '../../../../src/serve/gateway/keys.ts';
import { chatBody, deadEngine, openGateway, serveFake } from '../../../helpers/serve-gateway.ts';
import { plainPrompts } from '../../../helpers/serve-prompts.ts';
import { temporaryFolder } from '../../../helpers/serve-supervisor.ts';

function observed(level: 'debug' | 'info' | 'warn' = 'debug') {
  const file = join(temporaryFolder(), 'logs', 'serve.log');
  const log = openRequestLog(file, level);
  const metrics = createMetrics('1.2.3', (what, detail) =>
    log.event('warn', { what, detail }, 'trouble'),
  );
  const lines = async (): Promise<Record<string, unknown>[]> => {
    await log.close();
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  return { observation: { metrics, log }, metrics, lines, file };
}

const metric = async (url: string, name: string, headers: Record<string, string> = {}) => {
  const text = await (await fetch(`${url}/metrics`, { headers })).text();
  return text.split('\n').filter((line) => line.startsWith(`mmdeploy_${name}`));
};

describe('what is seen of a request', () => {
  it('is one line in the log, with its id in the answer', async () => {
    const { observation, lines } = observed();
    const { url } = await serveFake('well-behaved', { observation });
    const headers = { 'content-type': 'application/json', 'x-request-id': 'mine-1' };
    const response = await fetch(`${url}/v1/chat/completions`, { ...chatBody(), headers });
    await response.text();
    expect(response.headers.get('x-request-id')).toBe('mine-1');
    const other = await fetch(`${url}/nowhere?key=secret`);
    await other.text();
    const [line, unknown] = await lines();
    expect(line).toMatchObject({
      level: 'info',
      msg: 'request',
      id: 'mine-1',
      method: 'POST',
      route: '/v1/chat/completions',
      status: 200,
    });
    expect(unknown).toMatchObject({ route: 'unknown', status: 404, reason: 'unknown_route' });
    expect(unknown?.['id']).toBe(other.headers.get('x-request-id'));
  });

  it('is counted by route, status and reason, refusals too', async () => {
    const { observation } = observed();
    const { url } = await openGateway(deadEngine(false), {
      observation,
      keys: fixedKeys([plainKey('key')]),
    });
    const auth = { authorization: 'Bearer key' };
    await (await fetch(`${url}/v1/models`, { headers: auth })).text();
    await (await fetch(`${url}/v1/models`)).text();
    await expect
      .poll(() => metric(url, 'request_errors_total', auth))
      .toEqual([
        'mmdeploy_request_errors_total{route="/v1/models",status="503",reason="engine_not_ready"} 1',
        'mmdeploy_request_errors_total{route="/v1/models",status="401",reason="invalid_api_key"} 1',
      ]);
    const [inFlight] = await metric(url, 'requests_in_flight', auth);
    expect(inFlight).toBe('mmdeploy_requests_in_flight 1');
  });

  it('tells a client that hung up from an answer', async () => {
    const { observation, lines, metrics } = observed();
    const { url } = await serveFake('never-finishes', { observation });
    const abort = new AbortController();
    const body = chatBody({ stream: true });
    const response = await fetch(`${url}/v1/chat/completions`, { ...body, signal: abort.signal });
    await response.body?.getReader().read();
    abort.abort();
    await expect
      .poll(
        async () =>
          (await metrics.registry.getSingleMetric('mmdeploy_requests_total')?.get())?.values,
      )
      .toMatchObject([{ value: 1, labels: { status: 499 } }]);
    expect((await lines()).at(-1)).toMatchObject({ status: 499, reason: 'client_closed_request' });
  });

  it("asks for the key, and tells nothing of the engine's own metrics", async () => {
    const { observation } = observed();
    const { url } = await openGateway(deadEngine(true), {
      observation,
      keys: fixedKeys([plainKey('key')]),
    });
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    const response = await fetch(`${url}/metrics`, { headers: { authorization: 'Bearer key' } });
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await response.text()).not.toMatch(/llamacpp/);
  });
});

describe('what is counted', () => {
  it('is there for whoever asks, however little has come together', async () => {
    const { metrics } = observed();
    const request = { route: '/v1/models', status: 200, reason: null, seconds: 0.01, bytesIn: 7 };
    const timings = { promptTokens: 3, cachedTokens: 2, promptMs: 1, answerTokens: 5 };
    for (let count = 0; count < 100; count++) {
      metrics.requestBegan();
      metrics.requestEnded({ ...request, timings });
      metrics.observer.stage('queue', 1);
    }
    const text = await metrics.registry.metrics();
    for (const line of [
      'requests_total{route="/v1/models",status="200"} 100',
      'request_bytes_total{route="/v1/models"} 700',
      'request_seconds_count{route="/v1/models"} 100',
      'tokens_total{kind="answer"} 500',
      'stage_seconds_count{stage="queue"} 100',
      'requests_in_flight 0',
    ]) {
      expect(text).toContain(`mmdeploy_${line}\n`);
    }
  });
});

describe('the delay of the event loop', () => {
  it('is how late timers ran, and nothing while they are in time', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'performance'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const { metrics } = observed();
    vi.advanceTimersByTime(2000);
    const text = await metrics.registry.metrics();
    expect(text).toContain('mmdeploy_event_loop_delay_seconds_bucket{le="0.001"} 4\n');
    expect(text).not.toContain('eventloop_lag');
  });

  it('holds what a busy loop kept waiting', async () => {
    const { metrics } = observed();
    const until = performance.now() + 900;
    while (performance.now() < until);
    const seconds = async () => {
      const text = await metrics.registry.metrics();
      return Number(/event_loop_delay_seconds_sum ([\d.e-]+)/.exec(text)?.[1]);
    };
    await expect.poll(seconds).toBeGreaterThan(0.35);
  });
});

describe('what is never written down', () => {
  const CANARY = 'CANARY-7f3a';
  const chat = (content: unknown) => ({
    ...chatBody({ messages: [{ role: 'user', content }], user: CANARY }),
  });
  const image = (url: string) => [{ type: 'image_url', image_url: { url } }];
  const requests: [string, string, RequestInit][] = [
    ['a prompt', '/v1/chat/completions', chat(CANARY)],
    ['an image', '/v1/chat/completions', chat(image(`data:image/png;base64,${CANARY}`))],
    ['an address', '/v1/chat/completions', chat(image(`http://${CANARY}.test/a.png`))],
    ['a file name', '/v1/chat/completions', chat(image(`file:///etc/${CANARY}`))],
    ['broken JSON', '/v1/chat/completions', { ...chatBody(), body: `{"${CANARY}` }],
    ['no object', '/v1/chat/completions', { ...chatBody(), body: `"${CANARY}"` }],
    ['a path', `/${CANARY}`, {}],
    ['a query', `/v1/models?api_key=${CANARY}`, {}],
    ['a method', '/v1/models', { method: 'DELETE', headers: { 'x-note': CANARY } }],
    ['a bad id', '/v1/models', { headers: { 'x-request-id': `${CANARY} "` } }],
    [
      'another type',
      '/tokenize',
      { method: 'POST', headers: { 'content-type': `x/${CANARY}` }, body: CANARY },
    ],
    [
      'too much',
      '/tokenize',
      { ...chatBody(), body: JSON.stringify({ content: CANARY.repeat(200_000) }) },
    ],
  ];
  const engines: [string, (options: Partial<GatewayOptions>) => Promise<{ url: string }>][] = [
    ['an engine', (options) => serveFake('well-behaved', options)],
    ['an engine that stops half-way', (options) => serveFake('half-a-response', options)],
    ['an engine in trouble', (options) => serveFake('answers-503', options)],
    ['no engine', (options) => openGateway(deadEngine(true), options)],
  ];

  it.each(engines)('of any request, with %s', async (_name, open) => {
    const { observation, lines, metrics } = observed();
    const secret = `secret-${CANARY}`;
    const { url } = await open({ observation, keys: fixedKeys([plainKey(secret)]) });
    for (const [, path, init] of requests) {
      for (const key of [secret, `wrong-${CANARY}`]) {
        const headers = { ...(init.headers as object), authorization: `Bearer ${key}` };
        await fetch(url + path, { ...init, headers }).then(
          (response) => response.text(),
          () => '',
        );
      }
    }
    const written = await lines();
    expect(written.length).toBeGreaterThanOrEqual(2 * requests.length - 2);
    expect(JSON.stringify(written)).not.toContain(CANARY);
    expect(await metrics.registry.metrics()).not.toContain(CANARY);
  });
});

describe('metrics', () => {
  it('hold what the parts report, in seconds and bytes', async () => {
    const { metrics } = observed();
    const { observer, registry } = metrics;
    observer.stage('encode', 3100);
    observer.media('image', 'kv');
    for (const key of ['a', 'b', 'a']) observer.encoded(key.repeat(64));
    observer.mediaBytes(1000, 10);
    observer.trouble('media_disk_write', 'no space');
    const text = await registry.metrics();
    for (const line of [
      'mmdeploy_stage_seconds_sum{stage="encode"} 3.1',
      'mmdeploy_stage_seconds_bucket{le="5",stage="encode"} 1',
      'mmdeploy_media_total{kind="image",hit="kv"} 1',
      'mmdeploy_encodes_total 3',
      'mmdeploy_encoded_unique_total 2',
      'mmdeploy_media_received_bytes_total 1000',
      'mmdeploy_media_prepared_bytes_total 10',
      'mmdeploy_troubles_total{what="media_disk_write"} 1',
      'mmdeploy_build_info{version="1.2.3"} 1',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
  });

  it('count an encode for each medium that no slot held, and different media once', async () => {
    const { metrics } = observed();
    const held = [0, 0, 99];
    const turns = plainPrompts().turns;
    const { url } = await serveFake('well-behaved', {
      prompts: plainPrompts({
        observer: metrics.observer,
        turns: {
          take: async (request) => ({ ...(await turns.take(request)), held: held.shift() ?? 0 }),
        },
      }),
    });
    const part = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
    for (let ask = 0; ask < 3; ask++) {
      const body = chatBody({ messages: [{ role: 'user', content: [part] }] });
      expect((await fetch(`${url}/v1/chat/completions`, body)).status).toBe(200);
    }
    const text = await metrics.registry.metrics();
    expect(text).toContain('mmdeploy_encodes_total 2\n');
    expect(text).toContain('mmdeploy_encoded_unique_total 1\n');
    expect(text).toContain('mmdeploy_media_total{kind="image",hit="kv"} 1\n');
  });

  it('have few series whatever is reported', async () => {
    const { observer, registry } = observed().metrics;
    for (let kind = 0; kind < 1000; kind++) observer.trouble(`kind_${kind}`);
    const { values } = await registry.getSingleMetric('mmdeploy_troubles_total')!.get();
    expect(values.length).toBeLessThanOrEqual(65);
  });

  it('tell the state of the parts at the moment they are asked for', async () => {
    const { registry } = observed().metrics;
    let bytes = 5;
    const engine = { engine: null, life: 3 };
    const written = { disk: 2, memory: 0, inline: 1 };
    const store = () => ({ bytes, entries: 1, evicted: 7, lost: 0, written });
    const gpus = () => Promise.resolve([{ index: 0, name: 'card', usedBytes: 1, totalBytes: 2 }]);
    watch(registry, { engine, store, schedule: null, gpus });
    const first = await registry.metrics();
    expect(first).toContain('mmdeploy_engine_restarts_total 2\n');
    expect(first).toContain('mmdeploy_engine_up 0\n');
    expect(first).toContain('mmdeploy_media_store_writes_total{place="inline"} 1\n');
    expect(first).toContain('mmdeploy_gpu_memory_total_bytes{gpu="0",name="card"} 2\n');
    expect(first).toContain('mmdeploy_media_store_bytes 5\n');
    bytes = 6;
    const second = await registry.metrics();
    expect(second).toContain('mmdeploy_media_store_bytes 6\n');
    expect(second).toContain('mmdeploy_media_store_evictions_total 7\n');
  });
});

describe('the log', () => {
  it('is a file for its owner alone, and at `warn` holds no request that went well', async () => {
    const { observation, lines, file } = observed('warn');
    const { url } = await openGateway(deadEngine(false), { observation });
    await (await fetch(`${url}/health`)).text();
    await (await fetch(`${url}/v1/models`)).text();
    expect((await lines()).map(({ status }) => status)).toEqual([503]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('holds what happened in its order, each line with the time of what it tells', async () => {
    const { observation, lines } = observed();
    const { log } = observation;
    const at = Date.UTC(2026, 0, 2, 3, 4, 5);
    for (const ms of [0, 7, 999, 1000, 5]) log.request('info', at + ms, { ms });
    log.event('error', { reason: 'signal 9' }, 'engine crashed');
    const before = Date.now();
    log.request('info', before, {});
    const found = await lines();
    expect(found.map(({ time }) => time)).toEqual([
      '2026-01-02T03:04:05.000Z',
      '2026-01-02T03:04:05.007Z',
      '2026-01-02T03:04:05.999Z',
      '2026-01-02T03:04:06.000Z',
      '2026-01-02T03:04:05.005Z',
      expect.any(String),
      new Date(before).toISOString(),
    ]);
    expect(found[5]).toMatchObject({ level: 'error', msg: 'engine crashed', reason: 'signal 9' });
    expect(Math.abs(Date.parse(String(found[5]?.['time'])) - before)).toBeLessThan(5000);
  });

  it('is written while the server runs, without waiting for many requests', async () => {
    const { observation, file } = observed();
    observation.log.request('info', Date.now(), { id: 'alone' });
    await expect.poll(() => readFileSync(file, 'utf8'), { timeout: 5000 }).toContain('"alone"');
    await observation.log.close();
  });

  it('takes no line once it is closed, and breaks nothing by it', async () => {
    const { observation, lines } = observed();
    observation.log.request('info', Date.now(), { id: 'first' });
    await lines();
    for (let line = 0; line < 100; line++) observation.log.request('info', Date.now(), { line });
    observation.log.event('info', {}, 'late');
    expect((await lines()).map(({ id }) => id)).toEqual(['first']);
  });

  it('that cannot be written is an error of whoever named it', async () => {
    const folder = temporaryFolder();
    await mkdir(join(folder, 'serve.log'));
    expect(() => openRequestLog(join(folder, 'serve.log'), 'info')).toThrow(
      expect.objectContaining({ code: 'input.invalid' }),
    );
  });

  it.skipIf(process.platform !== 'linux')(
    'on a full disk costs lines, not the server',
    async () => {
      const log = openRequestLog('/dev/full', 'info');
      onTestFinished(() => log.close());
      for (let line = 0; line < 10_000; line++) log.request('info', Date.now(), { line });
      await log.close();
    },
  );
});
