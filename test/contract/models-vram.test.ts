import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { modelsVramSchema } from '../../src/contracts/models.ts';
import { modelsPage } from '../../src/workflows/models-page.ts';
import { mmdeploy } from '../helpers/cli.ts';

async function rowOf(id: string) {
  const { code, stdout } = await mmdeploy(['models', id, '--vram', '-o', 'json']);
  expect(code).toBe(0);
  const [row] = modelsVramSchema.strict().parse(JSON.parse(stdout)).models;
  return row;
}

describe('models --vram', () => {
  it('has the published parameters, and sizes that llama-quantize makes', async () => {
    const row = await rowOf('qwen2.5-vl-7b');
    expect((row?.parameters?.text ?? 0) + (row?.parameters?.encoder ?? 0)).toBe(8_292_166_656);
    // `llama-quantize --dry-run` on these dimensions: within 0.1 %.
    expect((row?.weights.Q4_K_M ?? 0) / 4_677_120_819).toBeCloseTo(1, 3);
    expect((row?.weights.Q8_0 ?? 0) / 8_092_574_024).toBeCloseTo(1, 3);
    expect(row?.recommended?.quant).toBe('Q4_K_M');
  });

  it('has no quants where only vLLM runs the model', async () => {
    const row = await rowOf('qwen-vl-chat');
    expect(row?.weights).toMatchObject({ Q8_0: null, Q4_K_M: null });
    expect(row?.recommended?.quant).toBe('BF16');
  });

  it('has API models without sizes', async () => {
    expect(await rowOf('gpt-4v')).toMatchObject({ parameters: null, recommended: null });
  });
});

describe('docs/models.md', () => {
  it('is what the profiles say: `npm run docs:models` writes it', async () => {
    expect(readFileSync('docs/models.md', 'utf8')).toBe(await modelsPage());
  }, 120_000);
});
