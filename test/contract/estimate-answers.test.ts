import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Estimate } from '../../src/contracts/estimate.ts';
import { mmdeploy } from '../helpers/cli.ts';

const request = (id: string, limits: object) => ({
  ...{ custom_id: id, method: 'POST', url: '/v1/chat/completions' },
  body: { model: 'gpt-4o', messages: [{ role: 'user', content: 'Describe it.' }], ...limits },
});
const LINES = [
  request('a', { max_completion_tokens: 100, n: 2 }),
  request('b', { max_tokens: 50 }),
  request('c', {}),
];

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmdeploy-answers-'));
  const lines = LINES.map((line) => JSON.stringify(line));
  writeFileSync(join(folder, 'batch.jsonl'), lines.join('\n'));
  writeFileSync(join(folder, 'open.jsonl'), lines[2] ?? '');
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function estimate(manifest: string, args: readonly string[]) {
  const all = ['estimate', '--manifest', manifest, '--model', 'gpt-4o', '-o', 'json', ...args];
  const { stdout, stderr, code } = await mmdeploy(all, { cwd: folder });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Estimate;
}

/** gpt-4o answers at $10 a million tokens. */
const dollars = (tokens: number) => (tokens * 10) / 1_000_000;

describe('answers of batch requests', () => {
  it.each(['one', 'per-file', 'per-line'])('are priced at their limits (%s)', async (mode) => {
    const { models, warnings } = await estimate('batch.jsonl', ['--requests', mode]);
    expect(models[0]?.costUsd?.output).toBeCloseTo(dollars(250), 9);
    expect(warnings).toContainEqual(expect.stringMatching(/at most 250 tokens; 1 request has no/));
  });

  it('are priced as --output-tokens says instead', async () => {
    const args = ['--requests', 'per-line', '--output-tokens', '7'];
    const { models, warnings } = await estimate('batch.jsonl', args);
    expect(models[0]?.costUsd?.output).toBeCloseTo(dollars(21), 9);
    expect(warnings).not.toContainEqual(expect.stringMatching(/limit/));
  });

  it('without any limit are said to be left out', async () => {
    const { models, warnings } = await estimate('open.jsonl', []);
    expect(models[0]?.costUsd?.output).toBe(0);
    expect(warnings).toContainEqual(expect.stringMatching(/1 request has no limit and count/));
  });

  it('add up over shares', async () => {
    const whole = await estimate('batch.jsonl', ['--requests', 'per-line']);
    const shares = await Promise.all(
      [0, 1, 2].map(async (at) => {
        const share = await estimate('batch.jsonl', [
          '--requests',
          'per-line',
          '--shard',
          `${at}/3`,
        ]);
        writeFileSync(join(folder, `part-${at}.json`), JSON.stringify(share));
        return `part-${at}.json`;
      }),
    );
    const merged = await mmdeploy(['estimate', 'merge', ...shares, '-o', 'json'], { cwd: folder });
    expect(JSON.parse(merged.stdout)).toEqual(whole);
  });
});

describe('tools and schemas of a request', () => {
  const schema = { type: 'object', properties: { colour: { type: 'string' } } };
  const plain = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Describe it.' }] };
  const tools = [{ type: 'function', function: { name: 'paint', parameters: schema } }];
  const form = { type: 'json_schema', json_schema: { name: 'colours', schema } };

  it.each([
    ['tools', { ...plain, tools }],
    ['response_format', { ...plain, response_format: form }],
    ['text.format', { model: 'gpt-4o', input: 'Hi', text: { format: { ...form, schema } } }],
    ['a bare schema', { ...plain, response_format: { type: 'json_object', schema } }],
  ])('are in the count as a range (%s)', async (_, body) => {
    writeFileSync(join(folder, 'with.jsonl'), JSON.stringify({ custom_id: 'a', body }));
    const { models } = await estimate('with.jsonl', ['--items']);
    const row = models[0]?.items.find(({ detail }) => detail.startsWith('by its JSON'));
    expect(row?.tokens).toBeGreaterThan(5);
    expect(models[0]?.confidence).toBe('range');
    expect(models[0]?.range?.high).toBeGreaterThan((models[0]?.tokens.total ?? 0) + 200);
  });
});
