import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { writeDemoModel } from '../../src/demo/model.ts';
import { folders } from '../../src/process/folders.ts';
import { runCommand } from '../../src/process/run.ts';
import { PLAIN } from '../../src/report/palette.ts';
import { estimateText } from '../../src/report/estimate.ts';
import { estimateMarkdown } from '../../src/report/estimate-markdown.ts';
import type { Context } from '../../src/workflows/context.ts';
import { NO_WISHES } from '../../src/match/types.ts';
import { withPlan } from '../../src/workflows/estimate-plan.ts';
import { planWorkflow } from '../../src/workflows/plan.ts';
import { NOTHING_ASKED } from '../../src/workflows/estimate-request.ts';
import type { EstimateRequest } from '../../src/workflows/estimate.ts';
import { estimateWorkflow, incomplete } from '../../src/workflows/estimate.ts';
import { imageBytes, imageFolder } from '../helpers/images.ts';
import { startLlama } from '../helpers/llama.ts';

const llamaServer = inject('llamaServer');

function context(cwd: string): Context & { readonly notices: string[] } {
  const env = { HOME: cwd, XDG_CONFIG_HOME: join(cwd, '.config') };
  const notices: string[] = [];
  return {
    env,
    cwd,
    platform: process.platform,
    folders: folders(env),
    run: runCommand,
    stdin: null,
    now: () => new Date('2026-05-20T00:00:00Z'),
    signal: new AbortController().signal,
    notice: (line) => notices.push(line),
    trace: () => undefined,
    progress: () => undefined,
    notices,
  };
}

const estimate = (request: Partial<EstimateRequest>, cwd = imageFolder().path) =>
  estimateWorkflow({ ...NOTHING_ASKED, ...request }, context(cwd));

describe('the estimate document', () => {
  it('has the fields that scripts rely on', async () => {
    const document = await estimate({
      images: ['1920x1080'],
      models: ['gpt-4o,internvl2-26b'],
      items: true,
    });
    expect(JSON.parse(JSON.stringify(document))).toEqual({
      schema: 'mmdeploy.estimate/v1',
      inputs: {
        files: 0,
        images: 1,
        audios: 0,
        audioSeconds: 0,
        videos: 0,
        videoSeconds: 0,
        documents: 0,
        textBytes: 0,
        unreadable: [],
        unreadableCount: 0,
      },
      models: [
        {
          id: 'gpt-4o',
          engine: 'api',
          tokens: { total: 1105, text: 0, image: 1105, audio: 0, video: 0, wrapper: 0 },
          range: { low: 1105, high: 1105 },
          requests: 1,
          uncounted: 0,
          confidence: 'formula',
          basis: 'profile',
          rule: 'openai-tile',
          ruleSource: expect.stringContaining('developers.openai.com'),
          costUsd: { input: 0.002763, output: 0, total: 0.002763 },
          priceAsOf: '2026-09-23',
          priceAgeDays: 0,
          price: {
            input: 2.5,
            output: 10,
            cachedInput: 1.25,
            imageInput: null,
            audioInput: null,
            videoInput: null,
            batchDiscount: 0.5,
            longContext: null,
            basis: 'list',
            provider: null,
            batch: false,
            cached: null,
            formula: null,
            source: expect.stringContaining('second hand'),
          },
          advice: [
            expect.objectContaining({ kind: 'detail-low', savedTokens: 1020 }),
            expect.objectContaining({ kind: 'shrink-image', savedTokens: 340 }),
          ],
          costliest: [expect.anything()],
          items: [
            {
              input: '1920x1080',
              modality: 'image',
              width: 1920,
              height: 1080,
              seconds: null,
              count: 1,
              tokens: 1105,
              rule: 'openai-tile',
              detail: '85 + 3x2 tiles of 170',
            },
          ],
        },
        {
          id: 'internvl2-26b',
          engine: 'llama.cpp',
          tokens: { total: 3330, text: 0, image: 3328, audio: 0, video: 0, wrapper: 2 },
          range: { low: 3330, high: 3330 },
          requests: 1,
          uncounted: 0,
          confidence: 'formula',
          basis: 'profile',
          rule: 'internvl-effective',
          ruleSource: expect.stringContaining('llama.cpp'),
          costUsd: null,
          priceAsOf: null,
          priceAgeDays: null,
          price: null,
          advice: [expect.objectContaining({ kind: 'shrink-image', savedTokens: 1024 })],
          costliest: [expect.anything()],
          items: [expect.objectContaining({ tokens: 3330, rule: 'internvl-effective' })],
        },
      ],
      dedupe: null,
      warnings: [],
    });
  });

  it('has a row for each input up to 1000, beyond only when asked', async () => {
    const rows = async (count: number, items: boolean) => {
      const images = Array.from({ length: count }, () => '9x9');
      const { models } = await estimate({ images, models: ['gpt-4v'], items });
      return models[0]?.items.length;
    };
    expect(await rows(1000, false)).toBe(1000);
    expect(await rows(1001, false)).toBe(0);
    expect(await rows(1001, true)).toBe(1001);
  });

  it('gives one entry for each model and engine', async () => {
    const count = async (engine: EstimateRequest['engine']) => {
      const request = { images: ['1920x1080'], models: ['gpt-4o', 'internvl2-26b,gpt-4o'], engine };
      const { models } = await estimate(request);
      return models.map(({ id, engine: on, tokens }) => [id, on, tokens.total]);
    };
    expect(await count('auto')).toEqual([
      ['gpt-4o', 'api', 1105],
      ['internvl2-26b', 'llama.cpp', 3330],
    ]);
    expect(await count('vllm')).toEqual([
      ['gpt-4o', 'api', 1105],
      ['internvl2-26b', 'vllm', 2306],
    ]);
  });

  it('counts for the vendors: detail, media resolution, sound, film and the rules of a day', async () => {
    const totals = async (request: Partial<EstimateRequest>) =>
      (await estimate(request)).models.map(({ tokens }) => tokens.total);
    const images = ['1920x1080'];
    const openai = ['gpt-5.4,gpt-5.5'];
    expect(await totals({ images, models: openai, detail: 'high' })).toEqual([2448, 2448]);
    expect(await totals({ images, models: openai, detail: 'low' })).toEqual([2448, 173]);
    const gemini = ['gemini-2.5-pro,gemini-3-pro'];
    expect(await totals({ images, models: gemini })).toEqual([1548, 1120]);
    expect(await totals({ images, models: gemini, mediaResolution: 'low' })).toEqual([64, 280]);
    const film = { audios: ['10s*2'], videos: ['60s@1280x720'] };
    expect(await totals({ ...film, models: gemini })).toEqual([15_780 + 640, 6120 + 640]);
    const old = { images, models: ['gpt-4.1-mini,claude-sonnet-4.5'] };
    expect(await totals(old)).toEqual([3305, 1560]);
    expect(await totals({ ...old, asOf: '2026-01-31' })).toEqual([2443, 1600]);
  });

  it('counts seconds and clips, and prices sound at its own price', async () => {
    const document = await estimate({ audios: ['100s*3'], models: ['gemini-2.5-flash'] });
    expect(document.inputs).toMatchObject({ audios: 3, audioSeconds: 300, images: 0 });
    // 9600 tokens at $1.00 a million; text would be $0.30.
    expect(document.models[0]).toMatchObject({
      tokens: { total: 9600, audio: 9600 },
      costUsd: { total: 0.0096 },
      ruleSource: null,
    });
  });

  it('prices the answer too', async () => {
    const request = { images: ['1024x1024*1000'], models: ['gpt-4o'], outputTokens: 200 };
    const { models } = await estimate(request);
    expect(models[0]?.costUsd).toEqual({ input: 1.9125, output: 0.002, total: 1.9145 });
  });

  it('takes the detail that the vendor takes', async () => {
    const request = { images: ['4096x8192'], models: ['gpt-4o'], detail: 'low' } as const;
    expect((await estimate(request)).models[0]?.tokens.total).toBe(85);
  });
});

async function mixedFolder() {
  const folder = imageFolder();
  const { add, path } = folder;
  add('a.png', await imageBytes({ width: 640, height: 480, format: 'png' }));
  add('b.jpg', await imageBytes({ width: 1920, height: 1080, format: 'jpeg', orientation: 6 }));
  add('c.webp', await imageBytes({ width: 336, height: 336, format: 'webp' }));
  add('d.tiff', await imageBytes({ width: 200, height: 100, format: 'tiff' }));
  add('empty.png', '');
  add('cut.png', (await imageBytes({ width: 9, height: 9, format: 'png' })).subarray(0, 20));
  add('fake.jpg', 'this is no picture at all, whatever its name says');
  add('clip.mp4', 'x');
  add('paper.pdf', '%PDF-1.7');
  add('speech.wav', 'RIFF');
  add('note.md', 'Hello world, hello world.');
  add('.DS_Store', 'x');
  mkdirSync(join(path, 'empty-folder'));
  return folder;
}

describe('a folder of everything', () => {
  it('counts what it can and names the rest, each with its reason', async () => {
    const { path } = await mixedFolder();
    const request = { paths: ['.'], models: ['gpt-4o', 'qwen2.5-vl-7b'] };
    const document = await estimate(request, path);
    expect(document.inputs).toMatchObject({ files: 11, images: 4, textBytes: 25 });
    expect(document.inputs.unreadable).toEqual([
      { path: 'clip.mp4', reason: 'its name says .mp4, and it holds text' },
      { path: 'cut.png', reason: expect.stringMatching(/truncated or damaged/) },
      { path: 'empty.png', reason: 'the file is empty' },
      { path: 'fake.jpg', reason: 'its name says .jpg, and it holds text' },
      { path: 'paper.pdf', reason: 'truncated: its end is missing' },
      { path: 'speech.wav', reason: 'its name says .wav, and it holds text' },
    ]);
    expect(document.models.map(({ confidence }) => confidence)).toEqual(['formula', 'range']);
    expect(document.warnings).toEqual([
      'hidden files and folders left out: 1',
      'gpt-4o on api: 1 input not counted: the API takes no TIFF: convert it to PNG or JPEG',
      'qwen2.5-vl-7b on llama.cpp: 1 input not counted: llama.cpp takes no TIFF: convert it to PNG or JPEG',
      'qwen2.5-vl-7b on llama.cpp: WebP needs ffmpeg in PATH',
      expect.stringMatching(/1 input with a rotation noted/),
    ]);
    expect(incomplete(document)).toMatchObject({ code: 'input.incomplete', exitCode: 7 });
  });

  it('is shown with totals first and everything unreadable listed', async () => {
    const { path } = await mixedFolder();
    const document = await estimate({ paths: ['.'], models: ['gpt-4o', 'llava-1.5-7b'] }, path);
    const view = {
      palette: PLAIN,
      boxes: false as const,
      explain: false,
      quiet: false,
      items: false,
    };
    expect(estimateText(document, view)).toMatchInlineSnapshot(`
      "Inputs  4 images, 25 bytes of text; 11 files read, 6 unreadable

      Model         Engine                           Tokens  Images  Text  Wrappers        USD
      gpt-4o        api                               1,798   1,785     6         7  $0.004495
      llava-1.5-7b  llama.cpp  about 1,735 (1,732 to 1,740)   1,728     7         0          -

      Prices (a million tokens)
        gpt-4o: $2.5 in, $10 out; of 2026-09-23, 0 days ago

      Costliest inputs of gpt-4o on api
      Input    Size       Count  Tokens each
      b.jpg    1080x1920      1        1,105
      a.png    640x480        1          425
      c.webp   336x336        1          255
      note.md  text           1            6

      Costliest inputs of llava-1.5-7b on llama.cpp
      Input    Size       Count  Tokens each
      a.png    640x480        1          576
      b.jpg    1080x1920      1          576
      c.webp   336x336        1          576
      note.md  text           1            7

      To save (each by itself, counted again)
        gpt-4o on api
          \`detail: low\` where the gist is enough (--detail low): 1080x1920, 1,105 -> 85 tokens each
            saves 1,530 tokens, $0.003825 over 3 inputs
          scale pictures to at most 896 px: 1080x1920 to 504x896, 1,105 -> 425 tokens each
            saves 680 tokens, $0.0017 over 1 input

      Unreadable (6)
        clip.mp4: its name says .mp4, and it holds text
        cut.png: its header is truncated or damaged
        empty.png: the file is empty
        fake.jpg: its name says .jpg, and it holds text
        paper.pdf: truncated: its end is missing
        speech.wav: its name says .wav, and it holds text"
    `);
    expect(estimateText(document, { ...view, quiet: true })).toMatchInlineSnapshot(`
      "gpt-4o api 1798 $0.004495
      llava-1.5-7b llama.cpp 1735"
    `);
  });
});

describe('refusals', () => {
  const refused = (request: Partial<EstimateRequest>) =>
    estimate(request).then(
      () => null,
      (error: unknown) => error,
    );

  it.each<[string, Partial<EstimateRequest>, string, RegExp]>([
    ['an unknown model', { images: ['9x9'], models: ['gpt-4oo'] }, 'usage.unknown-model', /gpt-4o/],
    ['no model', { images: ['9x9'] }, 'usage.invalid', /--model/],
    ['nothing to count', { models: ['gpt-4o'] }, 'usage.invalid', /--image/],
    [
      'a file that is not there',
      { paths: ['gone.png'], models: ['gpt-4o'] },
      'file.missing',
      /--image/,
    ],
    [
      'an engine the model does not run on',
      { images: ['9x9'], models: ['qwen-vl-chat'], engine: 'llama.cpp' },
      'usage.invalid',
      /--engine vllm/,
    ],
    [
      'limits that exclude each other',
      { images: ['9x9'], models: ['demo'], imageMinTokens: 9, imageMaxTokens: 8 },
      'usage.invalid',
      /image-max-tokens 9/,
    ],
    [
      'a number that is none',
      { images: ['9x9'], models: ['gpt-4o'], outputTokens: -1 },
      'usage.invalid',
      /--output-tokens/,
    ],
  ])('%s, with the next command', async (_, request, code, hint) => {
    const error = await refused(request);
    expect(error).toMatchObject({ code });
    expect(JSON.stringify((error as { hints: string[] }).hints)).toMatch(hint);
    expect(JSON.stringify((error as { hints: string[] }).hints)).toContain('mmdeploy ');
  });
});

describe.skipIf(llamaServer === null)('the demo model against a real llama-server', () => {
  it('counts images and text from the files as the engine does', async () => {
    const folder = imageFolder();
    const { model, mmproj } = await writeDemoModel(folder.path);
    const pictures = {
      'a.png': await imageBytes({ width: 640, height: 480, format: 'png' }),
      'b.jpg': await imageBytes({ width: 300, height: 900, format: 'jpeg', orientation: 6 }),
    };
    for (const [name, bytes] of Object.entries(pictures)) folder.add(name, bytes);
    const question = 'what is in these pictures';
    const request = { paths: ['a.png', 'b.jpg'], texts: [question], models: [model], mmproj };
    const { models } = await estimate(request, folder.path);
    const llama = await startLlama(llamaServer!, ['-m', model, '--mmproj', mmproj, '-c', '4096']);
    try {
      const content = [
        ...Object.entries(pictures).map(([name, bytes]) => ({
          type: 'image_url',
          image_url: {
            url: `data:image/${name.endsWith('png') ? 'png' : 'jpeg'};base64,${bytes.toString('base64')}`,
          },
        })),
        { type: 'text', text: question },
      ];
      const body = { messages: [{ role: 'user', content }] };
      const billed = await llama.post('/v1/chat/completions/input_tokens', body);
      expect(models[0]).toMatchObject({ confidence: 'exact', basis: 'gguf' });
      expect(billed).toMatchObject({ input_tokens: models[0]?.tokens.total });
    } finally {
      await llama.stop();
    }
  });
});

describe('--plan', () => {
  const asked = { ...NOTHING_ASKED, images: ['3840x2160'] };
  const plan = async (ctx: Context) => {
    const model = { name: 'qwen2.5-vl-7b', mmproj: null, profilesDir: null };
    const machine = { gpus: ['RTX 4090'], machineFile: null, profilesDir: null };
    const wishes = { ...NO_WISHES, imageMaxTokens: 1024 };
    const request = { model, machine, wishes, engine: 'auto', requirements: [] } as const;
    writeFileSync(join(ctx.cwd, 'plan.json'), JSON.stringify(await planWorkflow(request, ctx)));
    return 'plan.json';
  };

  it('counts as the engine of the plan is started, for its model', async () => {
    const ctx = context(imageFolder().path);
    const request = await withPlan(asked, await plan(ctx), ctx);
    expect(request).toMatchObject({ models: ['qwen2.5-vl-7b'], imageMaxTokens: 1024 });
    const { models } = await estimateWorkflow(request, ctx);
    expect(models[0]?.tokens.total).toBe(1010);
  });

  it('gives way to what is asked for', async () => {
    const ctx = context(imageFolder().path);
    const own = { ...asked, models: ['gpt-4o'], imageMaxTokens: 256 };
    const request = await withPlan(own, await plan(ctx), ctx);
    expect(request).toMatchObject({ models: ['gpt-4o'], imageMaxTokens: 256, mmproj: null });
    await expect(withPlan(own, 'gone.json', ctx)).rejects.toThrow('gone.json');
  });
});

describe('--dedupe', () => {
  it('says what sending or encoding each content once would save', async () => {
    const { path, add } = imageFolder();
    const photo = await imageBytes({ width: 640, height: 480, format: 'png' });
    for (const name of ['a.png', 'b.png', 'c.png']) add(name, photo);
    add('d.png', await imageBytes({ width: 641, height: 480, format: 'png' }));
    const request = { paths: ['.'], models: ['gpt-4o', 'qwen2.5-vl-7b'], dedupe: true };
    const document = await estimate(request, path);
    expect(document.dedupe).toEqual({
      ...{ media: 4, distinct: 2, duplicates: 2, untold: 0 },
      saved: [
        { tokens: 850, encodes: 2 },
        { tokens: 786, encodes: 2 },
      ],
    });
    const view = {
      palette: PLAIN,
      boxes: false,
      explain: false,
      quiet: false,
      items: false,
    } as const;
    const text = estimateText(document, view);
    expect(text).toContain('2 of 4 media came before (2 distinct)');
    expect(text).toContain('gpt-4o on api: sent once each, they would save 850 tokens');
    expect(text).toContain('an image cache would save 786 tokens of prefill and 2 encodes');
    expect(estimateMarkdown(document)).toContain('- 2 of 4 media came before');
    expect(estimateText(await estimate({ ...request, dedupe: false }, path), view)).not.toContain(
      'Duplicates',
    );
  });
});
