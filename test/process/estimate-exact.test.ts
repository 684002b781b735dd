import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import type { Estimate, ExactCheck } from '../../src/contracts/estimate.ts';
import { small } from '../helpers/encoders.ts';
import { imageBytes } from '../helpers/images.ts';
import { freshHome, mmdeploy } from '../helpers/cli.ts';
import { startLlama } from '../helpers/llama.ts';
import { writeSmallPair } from '../helpers/small-pair.ts';

const llamaServer = inject('llamaServer');

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'mmdeploy-exact-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function estimate(argv: readonly string[], cwd = process.cwd()) {
  const HOME = freshHome();
  const extraEnv = { HOME, MMDEPLOY_LLAMA_SERVER: llamaServer ?? '' };
  const result = await mmdeploy(['estimate', '-o', 'json', ...argv], { cwd, extraEnv });
  if (result.code !== 0) throw new Error(result.stderr);
  const { models } = JSON.parse(result.stdout) as Estimate;
  return { home: HOME, models, exact: models.map(({ exact }) => exact) };
}

const agrees = (asked: number) =>
  expect.objectContaining({
    engine: 'llama.cpp',
    asked,
    differences: [],
    unasked: [],
  }) as ExactCheck;

describe.skipIf(llamaServer === null)('estimate --exact with the real engine', () => {
  it('starts one with files that stand in for a profile, and leaves none of them', async () => {
    const sizes = ['--image', '1920x1080*3', '--image', '1x2000', '--audio', '30s'];
    const models = ['--model', 'gemma-4-e4b,gpt-4o'];
    const { exact, models: found, home } = await estimate([...sizes, ...models, '--exact', 'auto']);
    expect(exact).toEqual([agrees(3), undefined]);
    expect(exact[0]).toMatchObject({ standIn: true, url: null, tokens: found[0]?.tokens.total });
    expect(readdirSync(join(home, '.cache', 'mmdeploy', 'exact'))).toEqual([]);
  });

  it('takes what changes the count as the formula does', async () => {
    const limits = ['--image-max-tokens', '300', '--ubatch', '512', '--image', '1920x1080'];
    const { exact } = await estimate([...limits, '--model', 'qwen3-vl-8b', '--exact', 'auto']);
    expect(exact).toEqual([agrees(1)]);
    expect(exact[0]?.tokens).toBeLessThanOrEqual(302);
  });

  it("asks a GGUF pair's own files, and sends a file's own bytes", async () => {
    const path = folder();
    const dims = small({ projectorType: 'pixtral', imageSize: 1540, merge: 2 });
    const { model, mmproj } = await writeSmallPair(path, dims);
    const turned = { width: 700, height: 300, format: 'jpeg', orientation: 6 } as const;
    writeFileSync(join(path, 'turned.jpg'), await imageBytes(turned));
    const pair = ['--model', model, '--mmproj', mmproj];
    const { exact } = await estimate(['turned.jpg', ...pair, '--exact', 'auto'], path);
    expect(exact).toEqual([agrees(1)]);
    expect(exact[0]).toMatchObject({ standIn: false, url: null });
  });

  it('asks a server that runs, and reports where its settings are others than the formula’s', async () => {
    const dims = small({ projectorType: 'qwen2vl_merger', imageSize: 560, merge: 2 });
    const { model, mmproj } = await writeSmallPair(folder(), dims, [], null, 'qwen2vl');
    const args = ['-m', model, '--mmproj', mmproj, '-np', '1', '--no-warmup'];
    const llama = await startLlama(llamaServer!, [...args, '--image-max-tokens', '200']);
    onTestFinished(llama.stop);
    const inputs = ['--image', '1920x1080*2', '--image', '280x280', '--text', 'hello'];
    const { exact } = await estimate([
      ...inputs,
      ...['--model', model, '--mmproj', mmproj, '--exact', llama.url],
    ]);
    const [difference] = exact[0]?.differences ?? [];
    expect(exact[0]).toMatchObject({ url: llama.url, asked: 2, differences: [difference] });
    expect(difference).toMatchObject({ input: '1920x1080', count: 2, formula: 2693 });
    expect(difference?.difference).toBe((difference?.engine ?? 0) - 2693);
    expect(difference?.engine).toBeLessThanOrEqual(202);
    expect(exact[0]?.unasked).toEqual([
      { input: null, count: 1, reason: 'texts are counted by the tokenizer' },
    ]);
  });
});

async function answering(status: number, body: string): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(status).end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const asked = (url: string, model = 'qwen2.5-vl-7b') =>
  mmdeploy(['estimate', '--image', '100x100', '--model', model, '--exact', url]);

describe('estimate --exact that cannot be asked', () => {
  it('says that nothing answers', async () => {
    const { code, stderr } = await asked('http://127.0.0.1:1');
    expect(code).toBe(1);
    expect(stderr).toContain('nothing answers at http://127.0.0.1:1');
    expect(stderr).toContain('--exact auto');
  });

  it('says that a server has no such route', async () => {
    const { code, stderr } = await asked(await answering(404, 'not found'));
    expect(code).toBe(1);
    expect(stderr).toContain('/v1/chat/completions/input_tokens');
  });

  it('asks for the key of a server that wants one', async () => {
    const { stderr } = await asked(await answering(401, '{"error":{"message":"Invalid API Key"}}'));
    expect(stderr).toContain('Invalid API Key');
    expect(stderr).toContain('OPENAI_API_KEY=KEY');
  });

  it('is usage for an address that is none, and for models of vendors', async () => {
    const address = await asked('localhost:8080');
    expect(address.code).toBe(2);
    expect(address.stderr).toContain('--exact http://localhost:8080');
    expect(await asked('auto', 'gpt-4o')).toMatchObject({ code: 2 });
    const two = await asked('http://127.0.0.1:1', 'qwen2.5-vl-7b,llava-1.5-7b');
    expect(two.stderr).toContain('one server has one model');
  });
});
