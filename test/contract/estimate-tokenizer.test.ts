import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Estimate } from '../../src/contracts/estimate.ts';
import { BYTE_SIGNS } from '../../src/tokens/text/byte-signs.ts';
import { mmdeploy } from '../helpers/cli.ts';
import { bytePairModel } from '../helpers/merge-model.ts';

const TEMPLATE = `{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}`;
const TEXT = 'What is in this image?';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmdeploy-tokenizer-'));
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'own.gguf'), bytePairModel('qwen2', TEMPLATE));
  writeFileSync(
    join(folder, 'models', 'Qwen2.5-VL-7B-Instruct-Q4_K_M.gguf'),
    bytePairModel('qwen2', TEMPLATE),
  );
  // A token for each byte, one merge and one special token.
  const vocab = Object.fromEntries([...BYTE_SIGNS, 'Wh'].map((sign, id) => [sign, id]));
  const special = { content: '<|im_start|>', special: true, normalized: false, id: 257 };
  writeFileSync(
    join(folder, 'tokenizer.json'),
    JSON.stringify({
      version: '1.0',
      added_tokens: [{ ...special, single_word: false, lstrip: false, rstrip: false }],
      normalizer: null,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
      post_processor: null,
      decoder: { type: 'ByteLevel' },
      model: { type: 'BPE', vocab, merges: ['W h'] },
    }),
  );
  writeFileSync(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ chat_template: '<|im_start|>{{ messages[0].content }}' }),
  );
  writeFileSync(join(folder, 'broken.json'), '{');
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function estimate(args: readonly string[], env: Record<string, string> = {}) {
  const argv = ['estimate', '--text', TEXT, '-o', 'json', ...args];
  const result = await mmdeploy(argv, { cwd: folder, extraEnv: env });
  return {
    ...result,
    models: result.code === 0 ? (JSON.parse(result.stdout) as Estimate).models : [],
  };
}

describe('the text of a profile', () => {
  it('is a range without a tokenizer', async () => {
    const { models } = await estimate(['--model', 'qwen2.5-vl-7b']);
    expect(models[0]).toMatchObject({ confidence: 'range', rule: 'characters' });
  });

  it('is exact with a GGUF file, and with one of that profile in MODELS_DIR', async () => {
    const given = await estimate(['--model', 'qwen2.5-vl-7b', '--tokenizer', 'own.gguf']);
    const own = await estimate(['--model', 'own.gguf']);
    const found = await estimate(['--model', 'qwen2.5-vl-7b'], { MODELS_DIR: 'models' });
    expect(given.models[0]).toMatchObject({ confidence: 'exact', rule: 'tokenizer' });
    expect(given.models[0]?.tokens).toEqual(own.models[0]?.tokens);
    expect(found.models[0]?.tokens).toEqual(own.models[0]?.tokens);
  });

  it('is a range where only the engine knows the vocabulary, and it is said', async () => {
    writeFileSync(join(folder, 'rare.gguf'), bytePairModel('some-new-cut', TEMPLATE));
    const { models, stdout } = await estimate(['--model', 'rare.gguf']);
    expect(models[0]).toMatchObject({ confidence: 'range', rule: 'characters' });
    expect((JSON.parse(stdout) as Estimate).warnings).toContainEqual(
      expect.stringMatching(/vocabulary \(gpt2 \(some-new-cut\)\) is counted by the engine/),
    );
  });

  it('is counted by a tokenizer.json and the template beside it', async () => {
    const { models } = await estimate([
      '--model',
      'qwen2.5-vl-7b',
      '--tokenizer',
      'tokenizer.json',
    ]);
    // Wh is one token, every other byte its own; the template adds the mark at the start.
    const text = TEXT.length - 1;
    expect(models[0]).toMatchObject({
      confidence: 'formula',
      tokens: { text, wrapper: 1, total: text + 1 },
    });
  });

  it.each([
    [['--tokenizer', 'gone.json'], 5, /gone\.json/],
    [['--tokenizer', 'gone.gguf'], 5, /gone\.gguf/],
    [['--tokenizer', 'broken.json'], 2, /broken\.json/],
    [['--tokenizer', 'own.gguf', '--model', 'qwen3-vl-8b'], 2, /one model, and 2/],
  ])('refuses %j', async (args, code, message) => {
    const result = await estimate(['--model', 'qwen2.5-vl-7b', ...args]);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(message);
  });
});
