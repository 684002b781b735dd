import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { writeDemoModel } from '../../src/demo/model.ts';
import type { DemoFiles } from '../../src/demo/model.ts';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import { describeGguf } from '../../src/layout/describe-gguf.ts';
import { pairingProblem } from '../../src/layout/pairing.ts';
import { imageRuleOf } from '../../src/layout/token-rule.ts';
import { llamaTokenize, startLlama } from '../helpers/llama.ts';
import type { RunningLlama } from '../helpers/llama.ts';

const ANSWER = 'This is only the demo model and its answers mean nothing';

let folder = '';
let files: DemoFiles = { model: '', mmproj: '' };
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mmdeploy-demo-'));
  files = await writeDemoModel(join(folder, 'new', 'folder'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('the demo model', () => {
  // Pinned: on every machine the files are these. A change of the model changes them on purpose.
  it('is the same bytes on every machine', () => {
    expect(digest(files.model)).toBe(
      'fbcabc323a7305770f145bd837c58e30d0f7384e610d063a709da000310520a1',
    );
    expect(digest(files.mmproj)).toBe(
      '1a0a2fe0136ab861d267545ffd5663eaff28b8def69b6c935a696188caa91720',
    );
    expect(statSync(files.model).size + statSync(files.mmproj).size).toBeLessThan(600_000);
  });

  it('is not written again where it is', async () => {
    const inodes = () => [statSync(files.model).ino, statSync(files.mmproj).ino];
    const before = inodes();
    expect(await writeDemoModel(join(folder, 'new', 'folder'))).toEqual(files);
    expect(inodes()).toEqual(before);
  });

  it('is a LLaVA by its own headers', () => {
    const model = readGgufHeader(files.model);
    const mmproj = readGgufHeader(files.mmproj);
    expect(pairingProblem(model, mmproj)).toBeNull();
    expect(describeGguf('demo', model, mmproj, imageRuleOf)).toMatchObject({
      name: 'mmdeploy demo',
      family: 'llama',
      modalities: ['text', 'image'],
      quant: 'F16',
      imageTokens: { 'llama.cpp': { rule: 'fixed-grid' } },
    });
  });

  it('has a heavier tower on request', async () => {
    const options = { visionBlocks: 3, visionWidth: 128 };
    const { mmproj } = await writeDemoModel(join(folder, 'heavy'), options);
    const { encoder } = describeGguf(
      'demo',
      readGgufHeader(files.model),
      readGgufHeader(mmproj),
      imageRuleOf,
    );
    expect(encoder).toMatchObject({ layers: 3, embedding: 128, projectionDim: 64 });
  });
});

type Chat = {
  readonly choices: readonly { message: { content: string }; finish_reason: string }[];
  readonly usage: { prompt_tokens: number; completion_tokens: number };
};

describe.skipIf(inject('llamaServer') === null)('the demo model in a real llama-server', () => {
  const server = inject('llamaServer') ?? '';
  let llama: RunningLlama | undefined;
  let image: unknown;
  beforeAll(async () => {
    const args = ['-m', files.model, '--mmproj', files.mmproj, '-c', '8192', '-np', '1', '-t', '1'];
    llama = await startLlama(server, args);
    const picture = sharp({
      create: { width: 90, height: 60, channels: 3, background: { r: 200, g: 30, b: 30 } },
    });
    const png = (await picture.png().toBuffer()).toString('base64');
    image = { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } };
  });
  afterAll(async () => {
    await llama?.stop();
  });

  const messages = (images: number) => {
    const parts = [
      { type: 'text', text: 'what is this?' },
      ...Array.from({ length: images }, () => image),
    ];
    return { messages: [{ role: 'user', content: parts }] };
  };
  const chat = (extra: object) =>
    llama!.post('/v1/chat/completions', { ...messages(1), ...extra }) as Promise<Chat>;

  it.each([0, 1.5])(
    'answers one sentence about an image at temperature %f',
    async (temperature) => {
      const { choices, usage } = await chat({ temperature });
      expect(choices[0]).toMatchObject({ message: { content: ANSWER }, finish_reason: 'stop' });
      expect(usage.completion_tokens).toBe(12);
      expect(usage.prompt_tokens).toBeGreaterThan(576);
    },
  );

  it('goes on in words for as long as it must', async () => {
    const { choices } = await chat({ ignore_eos: true, max_tokens: 40 });
    expect(choices[0]?.finish_reason).toBe('length');
    expect(choices[0]?.message.content).toMatch(
      /^This is only the demo model( and its answers mean nothing)+ and its/,
    );
  });

  it('costs 576 tokens an image', async () => {
    const count = async (images: number) =>
      (await llama!.post('/v1/chat/completions/input_tokens', messages(images))) as {
        input_tokens: number;
      };
    const [one, two, three] = await Promise.all([count(1), count(2), count(3)]);
    expect(two.input_tokens - one.input_tokens).toBe(576);
    expect(three.input_tokens - two.input_tokens).toBe(576);
  });

  it('renders role and content', async () => {
    const prompt = await llama!.post('/apply-template', {
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'hi' },
      ],
    });
    expect(prompt).toEqual({ prompt: 'system: be brief\nuser: hi\nassistant:' });
  });

  it('has one token for each letter and each wrapper, even of its own answer', async () => {
    const count = async (text: string, parseSpecial = false) =>
      (await llamaTokenize(server, files.model, text, { addSpecial: false, parseSpecial })).length;
    // The space that SPM puts first is one more.
    expect(await count(ANSWER.toLowerCase())).toBe(ANSWER.length + 1);
    expect(await count('<|vision_start|><img></img>', true)).toBe(3);
  });
});
