import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Estimate } from '../../src/contracts/estimate.ts';
import { mmdeploy } from '../helpers/cli.ts';
import { llamaTokenize, startLlama } from '../helpers/llama.ts';
import { bytePairModel } from '../helpers/merge-model.ts';
import { randomTexts } from '../helpers/random-texts.ts';
import { rareModel } from '../helpers/rare-vocabulary.ts';

const server = inject('llamaServer');
const TEMPLATE = `{% for m in messages %}({{ m.role }}) {{ m.content }}<custom>\n{% endfor %}{% if add_generation_prompt %}(assistant){% endif %}`;
const TEXTS = randomTexts(400)
  .filter((text) => !/[\0\p{Surrogate}]/u.test(text))
  .slice(0, 40);

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmdeploy-engine-text-'));
  writeFileSync(join(folder, 't5.gguf'), rareModel('t5', TEMPLATE));
  writeFileSync(join(folder, 'bert.gguf'), rareModel('bert', TEMPLATE));
  writeFileSync(join(folder, 'chameleon.gguf'), bytePairModel('chameleon', TEMPLATE));
  const lines = TEXTS.map((text) => JSON.stringify({ text }));
  writeFileSync(join(folder, 'texts.jsonl'), lines.join('\n'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function estimate(args: readonly string[], engine: string | null) {
  const extraEnv = engine === null ? { PATH: folder } : { MMDEPLOY_LLAMA_SERVER: engine };
  const result = await mmdeploy(['estimate', ...args, '-o', 'json'], { cwd: folder, extraEnv });
  expect(result.stderr).toBe('');
  expect(result.code).toBe(0);
  return JSON.parse(result.stdout) as Estimate;
}

describe.skipIf(server === null).each(['t5', 'bert', 'chameleon'])(
  'text of a model whose vocabulary (%s) only the engine knows',
  (kind) => {
    const engine = server ?? '';

    it('is counted by the engine that is installed, chat template and all', async () => {
      const { models } = await estimate(
        [
          '--manifest',
          'texts.jsonl',
          '--requests',
          'per-line',
          '--items',
          '--model',
          `${kind}.gguf`,
        ],
        engine,
      );
      const [model] = models;
      expect(model).toMatchObject({ confidence: 'exact', requests: TEXTS.length });
      const file = join(folder, `${kind}.gguf`);
      const count = async (text: string) =>
        (await llamaTokenize(engine, file, text, { addSpecial: false, parseSpecial: true })).length;
      for (const [at, item] of model?.items.entries() ?? []) {
        expect(item.tokens, item.input).toBe(await count(TEXTS[at] ?? ''));
        expect(item.detail).toMatch(/^llama-tokenize \S+, with the model’s own vocabulary$/);
      }
      const llama = await startLlama(engine, ['-m', file, '-c', '4096', '--jinja']);
      try {
        let total = 0;
        for (const content of TEXTS) {
          const body = { messages: [{ role: 'user', content }] };
          const answer = await llama.post('/v1/chat/completions/input_tokens', body);
          total += (answer as { input_tokens: number }).input_tokens;
        }
        expect(model?.tokens.total).toBe(total);
      } finally {
        await llama.stop();
      }
    }, 60_000);
  },
);

describe('without an engine', () => {
  it('such a text is a range, and it is said why', async () => {
    const asked = ['--text', 'What is in this image?', '--model', 't5.gguf'];
    const { models, warnings } = await estimate(asked, null);
    expect(models[0]).toMatchObject({ confidence: 'range', rule: 'characters' });
    expect(warnings).toContainEqual(
      expect.stringMatching(
        /vocabulary \(t5\) is counted by the engine alone: .*`mmdeploy engine install`/,
      ),
    );
  });
});
