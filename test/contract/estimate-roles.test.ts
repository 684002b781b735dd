import { encodeChat } from 'gpt-tokenizer/model/gpt-4o';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Estimate } from '../../src/contracts/estimate.ts';
import { mmdeploy } from '../helpers/cli.ts';
import { startLlama } from '../helpers/llama.ts';
import { bytePairModel } from '../helpers/merge-model.ts';
import { rareModel } from '../helpers/rare-vocabulary.ts';

const server = inject('llamaServer');
const TEMPLATE = `{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}`;

type Message = { role: 'system' | 'user' | 'assistant'; content: string };
const CHATS: Message[][] = [
  [{ role: 'user', content: 'What is in this image?' }],
  [
    { role: 'system', content: 'Describe the image, that and the other.' },
    { role: 'user', content: 'And this?' },
  ],
  [
    { role: 'system', content: 'Be short.' },
    { role: 'user', content: 'the image' },
    { role: 'assistant', content: 'A café.\n\nTwo lines.' },
    { role: 'user', content: 'What else is in it?' },
  ],
];

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmdeploy-roles-'));
  const lines = CHATS.map((messages, at) =>
    JSON.stringify({
      ...{ custom_id: `chat-${at}`, method: 'POST', url: '/v1/chat/completions' },
      body: { model: 'gpt-4o', messages },
    }),
  );
  writeFileSync(join(folder, 'batch.jsonl'), lines.join('\n'));
  writeFileSync(join(folder, 'note.txt'), 'A few words.');
  writeFileSync(join(folder, 'bytes.gguf'), bytePairModel('qwen2', TEMPLATE));
  writeFileSync(join(folder, 't5.gguf'), rareModel('t5', TEMPLATE));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function estimate(args: readonly string[]): Promise<Estimate> {
  const argv = ['estimate', '--manifest', 'batch.jsonl', '-o', 'json', ...args];
  const extraEnv = server === null ? {} : { MMDEPLOY_LLAMA_SERVER: server };
  const { stdout, stderr, code } = await mmdeploy(argv, { cwd: folder, extraEnv });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Estimate;
}

describe('messages of chat requests', () => {
  it.each(['one', 'per-file', 'per-line'])(
    'are framed each by its role, as the vendor frames them (%s)',
    async (mode) => {
      const { models } = await estimate(['--model', 'gpt-4o', '--requests', mode]);
      const billed = CHATS.map((messages) => encodeChat(messages).length);
      expect(models[0]).toMatchObject({
        ...{ requests: 3, confidence: 'exact' },
        tokens: { total: billed.reduce((sum, tokens) => sum + tokens) },
      });
    },
  );

  it('are requests of their own beside inputs that are one', async () => {
    const chats = await estimate(['--model', 'gpt-4o']);
    const both = await estimate(['--model', 'gpt-4o', 'note.txt', '--text', 'and more']);
    const frame = 7;
    const texts = 4 + 2;
    expect(both.models[0]?.requests).toBe(4);
    expect(both.models[0]?.tokens.total).toBe((chats.models[0]?.tokens.total ?? 0) + texts + frame);
  });

  it.each([1, 4])('add up over %s shares, beside inputs that are one request', async (of) => {
    const args = ['--model', 'gpt-4o', 'note.txt', '--text', 'and more', '--text', 'and again'];
    const whole = await estimate(args);
    const shares: string[] = [];
    for (let at = 0; at < of; at++) {
      const name = `part-${of}-${at}.json`;
      const share = await estimate([...args, '--shard', `${at}/${of}`]);
      writeFileSync(join(folder, name), JSON.stringify(share));
      shares.push(name);
    }
    const merged = await mmdeploy(['estimate', 'merge', ...shares, '-o', 'json'], { cwd: folder });
    expect(JSON.parse(merged.stdout)).toEqual(whole);
  });
});

describe.skipIf(server === null).each(['bytes', 't5'])(
  'messages of chat requests to a model of one’s own (%s)',
  (name) => {
    it('are rendered by its template, as the engine does', async () => {
      const { models } = await estimate(['--model', `${name}.gguf`]);
      const file = join(folder, `${name}.gguf`);
      const llama = await startLlama(server ?? '', ['-m', file, '-c', '4096', '--jinja']);
      try {
        let billed = 0;
        for (const messages of CHATS) {
          const answer = await llama.post('/v1/chat/completions/input_tokens', { messages });
          billed += (answer as { input_tokens: number }).input_tokens;
        }
        expect(models[0]).toMatchObject({ requests: 3, tokens: { total: billed } });
        expect(models[0]?.confidence).toBe('exact');
      } finally {
        await llama.stop();
      }
    });

    it('add up over shares that the engine counts', async () => {
      const args = ['--model', `${name}.gguf`, '--requests', 'per-line'];
      const whole = await estimate(args);
      const shares: string[] = [];
      for (let at = 0; at < 2; at++) {
        const share = await estimate([...args, '--shard', `${at}/2`]);
        writeFileSync(join(folder, `${name}-${at}.json`), JSON.stringify(share));
        shares.push(`${name}-${at}.json`);
      }
      const argv = ['estimate', 'merge', ...shares, '-o', 'json'];
      const extraEnv = { MMDEPLOY_LLAMA_SERVER: server ?? '' };
      const merged = await mmdeploy(argv, { cwd: folder, extraEnv });
      expect(JSON.parse(merged.stdout)).toEqual(whole);
      // Where another machine counts text otherwise, the sums cannot be explained.
      const elsewhere = await mmdeploy(argv, { cwd: folder, extraEnv: { PATH: folder } });
      if (name === 't5') expect(elsewhere.stderr).toMatch(/counted with other rules/);
      else expect(elsewhere.code).toBe(0);
    });
  },
);
