import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { writeDemoModel } from '../../src/demo/model.ts';
import { MmdeployError } from '../../src/errors.ts';
import { LateEngine } from '../../src/serve/late-engine.ts';
import { quietObserver } from '../../src/serve/observe/quiet.ts';
import { openPipeline } from '../../src/workflows/serve-pipeline.ts';
import { serveWorkflow } from '../../src/workflows/serve.ts';
import { startServing } from '../../src/workflows/start-serving.ts';
import { serveContext } from '../helpers/serve-context.ts';
import {
  DEMO_MODEL,
  REAL_ENGINE,
  demoArgs,
  demoRequest,
  imagePart,
} from '../helpers/serve-engine.ts';
import { openGateway } from '../helpers/serve-gateway.ts';
import { isAlive, supervise, temporaryFolder } from '../helpers/serve-supervisor.ts';

const UNTIL = { timeout: 20_000, interval: 20 };
const tools = { model: DEMO_MODEL };
const short = { max_completion_tokens: 8 };
const text = (value: string) => ({ type: 'text' as const, text: value });

async function serveDemo() {
  const serving = await startServing(await demoRequest(), serveContext().ctx, tools);
  onTestFinished(() => serving.stop());
  const client = new OpenAI({ baseURL: `${serving.url}/v1`, apiKey: 'none', maxRetries: 0 });
  return { serving, client };
}

/** The engine itself and the gateway in front of it, to compare what the two say. */
async function besideTheGateway(slots = 1) {
  const source = new LateEngine();
  const observer = quietObserver(() => undefined);
  const model = { ...DEMO_MODEL, slots };
  const pipeline = await openPipeline(
    await demoRequest(),
    model,
    source,
    observer,
    serveContext().ctx,
  );
  onTestFinished(() => pipeline.close());
  const args = [...(await demoArgs(slots)), ...pipeline.engineArgs];
  const supervised = supervise(REAL_ENGINE, { args });
  source.become(supervised.supervisor);
  await supervised.supervisor.start();
  const { prompts } = pipeline;
  const gateway = await openGateway(supervised.supervisor, { prompts });
  const engineCounts = async (chat: unknown): Promise<unknown> => {
    const answer = await supervised.supervisor.engine?.request({
      path: '/v1/chat/completions/input_tokens',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(chat),
    });
    return ((await answer?.body.json()) as { input_tokens: unknown }).input_tokens;
  };
  return { ...supervised, ...gateway, engineCounts };
}

const post = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe.skipIf(REAL_ENGINE === '')('the real llama-server', () => {
  test('an image question through the OpenAI client, whole and streamed, billed as estimated', async () => {
    const { serving, client } = await serveDemo();
    const messages = [
      { role: 'user' as const, content: [text('what is this?'), await imagePart(1)] },
    ];
    const estimate = (await (
      await fetch(`${serving.url}/mmdeploy/v1/estimate`, post({ messages }))
    ).json()) as { total: number; image: number };
    expect(estimate.image).toBe(576);

    const whole = await client.chat.completions.create({ model: 'demo', messages, ...short });
    expect(whole.choices[0]?.message.content).not.toBe('');
    expect(whole.usage?.prompt_tokens).toBe(estimate.total);

    const stream = await client.chat.completions.create({
      model: 'demo',
      messages,
      ...short,
      stream: true,
      stream_options: { include_usage: true },
    });
    let words = '';
    let billed: number | undefined;
    for await (const chunk of stream) {
      words += chunk.choices[0]?.delta.content ?? '';
      billed = chunk.usage?.prompt_tokens ?? billed;
    }
    expect(words).not.toBe('');
    // The same image again comes from the engine's cache; it is billed all the same.
    expect(billed).toBe(estimate.total);
  });

  test('/v1/models names what the model takes', async () => {
    const { client } = await serveDemo();
    const { data } = await client.models.list();
    expect(data[0]).toMatchObject({
      architecture: { input_modalities: ['text', 'image'] },
      context_length: 4096,
    });
  });

  test('the estimate is what the engine counts, wherever the images stand', async () => {
    const { url, engineCounts } = await besideTheGateway();
    const [one, two] = [await imagePart(1), await imagePart(2)];
    const user = (...content: unknown[]) => ({ role: 'user', content });
    const chats = {
      'text only': [user(text('hello there'))],
      'a plain string': [{ role: 'user', content: 'hello there' }],
      'image before text': [user(one, text('what is this?'))],
      'text before image': [user(text('look: '), one)],
      'text on both sides': [user(text('look: '), one, text(' what is it?'))],
      'two images side by side': [user(one, two)],
      'two images with text between': [user(text('a'), one, text('b'), two, text('c'))],
      'the same image twice': [user(one, text('and'), one)],
      'image alone': [user(one)],
      'several turns': [
        { role: 'system', content: 'be brief' },
        user(one, text('what?')),
        { role: 'assistant', content: 'a dog' },
        user(two, text('and this?')),
      ],
      'a marker typed as text': [user(text('x <__media__> y'), one)],
      'special tokens typed as text': [user(text('</s><s> [INST] x'), one)],
      'not only ASCII': [user(text('Zażółć gęślą jaźń 日本語 🙂'), one)],
    };
    for (const [name, messages] of Object.entries(chats)) {
      const estimate = await fetch(`${url}/mmdeploy/v1/estimate`, post({ messages }));
      const counted = (await estimate.json()) as { total: unknown; confidence: unknown };
      expect(counted.total, name).toBe(await engineCounts({ messages }));
      expect(counted.confidence, name).toBe('exact');
    }
  });

  test("the engine's refusal comes through in its own words", async () => {
    const { client } = await serveDemo();
    const content = 'word '.repeat(6000);
    await expect(
      client.chat.completions.create({ model: 'demo', messages: [{ role: 'user', content }] }),
    ).rejects.toMatchObject({
      status: 400,
      message: expect.stringMatching(/context size/) as string,
    });
  });

  test('over a port of its own choice as well as over a socket', async () => {
    const { supervisor } = supervise(REAL_ENGINE, {
      args: await demoArgs(),
      listen: { kind: 'port' },
    });
    await supervisor.start();
    const pid = supervisor.pid ?? 0;
    const models = await supervisor.engine?.request({ path: '/v1/models', method: 'GET' });
    expect(models?.statusCode).toBe(200);
    await models?.body.dump();
    await supervisor.stop();
    expect(isAlive(pid)).toBe(false);
  });

  test('flags and keys of the environment do not reach it', async () => {
    const env = {
      ...process.env,
      LLAMA_API_KEY: 'k',
      LLAMA_ARG_CTX_SIZE: '64',
      LLAMA_ARG_HOST: '0.0.0.0',
    };
    const { supervisor } = supervise(REAL_ENGINE, { args: await demoArgs(), env });
    await supervisor.start();
    const props = await supervisor.engine?.request({ path: '/props', method: 'GET' });
    expect(props?.statusCode).toBe(200);
    expect(await props?.body.json()).toMatchObject({
      default_generation_settings: { n_ctx: 4096 },
    });
  });
});

describe.skipIf(REAL_ENGINE === '')('the real llama-server is stopped', () => {
  const endless = { stream: true, max_tokens: 1500, ignore_eos: true };

  test('SIGTERM while it streams: an error event, exit 0, in far less than its 30 s', async () => {
    const context = serveContext();
    const served = serveWorkflow(await demoRequest({ drainMs: 50 }), context.ctx, tools);
    const url = await vi.waitFor(() => {
      const found = /ready .* (http:\S+)/.exec(context.notices.join('\n'))?.[1];
      if (found === undefined) throw new Error('not ready');
      return found;
    }, UNTIL);
    const messages = [{ role: 'user', content: 'tell me all' }];
    const response = await fetch(`${url}/v1/chat/completions`, post({ messages, ...endless }));
    context.interrupt();
    const answer = await response.text();
    expect(await served).toEqual({ exitCode: 0 });
    const last = answer.trimEnd().split('\n\n').at(-1) ?? '';
    expect(JSON.parse(last.replace('data: ', ''))).toMatchObject({
      error: { code: 'server_stopping' },
      src: 'mmdeploy',
    });
  });
});

describe.skipIf(REAL_ENGINE === '')('the real llama-server cannot start', () => {
  async function failure(args: readonly string[]): Promise<string> {
    const { supervisor } = supervise(REAL_ENGINE, { args });
    const error: unknown = await supervisor.start().catch((reason: unknown) => reason);
    if (!(error instanceof MmdeployError)) throw new Error(`no MmdeployError: ${String(error)}`);
    expect(error.code).toBe('engine.start');
    expect(error.hints.length).toBeGreaterThan(0);
    return error.message;
  }
  const demo = () => writeDemoModel(join(temporaryFolder(), 'demo'));
  /** A copy of `file` that ends after a share of its bytes. */
  function cut(file: string, share: number): string {
    const copy = join(temporaryFolder(), 'cut.gguf');
    copyFileSync(file, copy);
    truncateSync(copy, Math.floor(readFileSync(file).length * share));
    return copy;
  }

  test('an unknown argument', async () => {
    expect(await failure(['--frobnicate'])).toContain('does not know the argument `--frobnicate`');
  });

  test('no such model, and a file that is none', async () => {
    const garbage = join(temporaryFolder(), 'garbage.gguf');
    writeFileSync(garbage, 'no gguf');
    expect(await failure(['-m', '/nonexistent.gguf'])).toContain('/nonexistent.gguf could not be');
    expect(await failure(['-m', garbage])).toContain('garbage.gguf could not be loaded');
  });

  test('a model cut off in its tensors', async () => {
    const { model } = await demo();
    expect(await failure(['-m', cut(model, 0.8)])).toMatch(/model file is incomplete or damaged/);
  });

  test('a projector in the place of the model', async () => {
    const { mmproj } = await demo();
    expect(await failure(['-m', mmproj])).toMatch(/is a projector/);
  });

  test('a projector cut off in its tensors', async () => {
    const { model, mmproj } = await demo();
    expect(await failure(['-m', model, '--mmproj', cut(mmproj, 0.8)])).toMatch(
      /projector file is incomplete/,
    );
  });
});
