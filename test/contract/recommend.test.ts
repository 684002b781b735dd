import { describe, expect, it } from 'vitest';
import { planSchema } from '../../src/contracts/plan.ts';
import { recommendSchema } from '../../src/contracts/recommend.ts';
import { mmdeploy } from '../helpers/cli.ts';

async function recommend(...argv: string[]) {
  const { code, stdout } = await mmdeploy(['plan', ...argv, '--recommend', '-o', 'json']);
  expect(code).toBe(0);
  return recommendSchema.strict().parse(JSON.parse(stdout));
}

describe('plan --recommend', () => {
  it('names cards that `plan --gpu` then finds comfortable, with the same peak', async () => {
    const workload = ['--users', '4', '--images', '1@1024x768', '--text', '500'];
    const found = await recommend('qwen2.5-vl-7b', ...workload);
    expect(found.rows.map(({ quant }) => quant)).toEqual([
      'F16',
      'Q8_0',
      'Q6_K',
      'Q5_K_M',
      'Q4_K_M',
    ]);
    for (const { quant, encoderQuant, smallest } of found.rows.slice(-2)) {
      const argv = ['qwen2.5-vl-7b', ...workload, '--quant', quant, '--context'];
      const formats = [String(found.contextPerSlot), '--encoder-quant', encoderQuant ?? ''];
      const gpu = ['--gpu', smallest?.gpu ?? '', '-o', 'json'];
      const plan = await mmdeploy(['plan', ...argv, ...formats, ...gpu]);
      const { verdict, memory, settings } = planSchema.parse(JSON.parse(plan.stdout));
      expect(verdict).toBe('fits');
      expect(settings?.slots).toBe(found.slots);
      expect(Math.max(...memory.devices.slice(0, -1).map((d) => d.peakBytes))).toBe(
        smallest?.peakBytes,
      );
    }
  });

  it('never recommends more memory for a smaller quant', async () => {
    const { rows } = await recommend('internvl2-26b');
    const totals = rows.map(
      ({ smallest }) => (smallest?.capacityBytes ?? 0) * (smallest?.count ?? 0),
    );
    expect(totals).toEqual([...totals].sort((a, b) => b - a));
    const costs = rows.map(({ cheapest }) => cheapest?.price?.usdPerHour ?? 0);
    expect(costs).toEqual([...costs].sort((a, b) => b - a));
  });

  it('plans for vLLM what llama.cpp cannot run', async () => {
    const found = await recommend('qwen-vl-chat');
    expect(found.engine).toBe('vllm');
    // No INT8 or INT4 checkpoint of it is known; FP8 is made while vLLM loads it.
    expect(found.rows).toMatchObject([
      { quant: 'BF16', smallest: { count: 2 } },
      { quant: 'FP8', smallest: { count: 1 } },
    ]);
  });

  it('shows provider and date of each price', async () => {
    const { stdout } = await mmdeploy(['plan', 'llava-1.5-7b', '--recommend']);
    expect(stdout).toMatch(/Q4_K_M .* \d\.\d\d {2}\S.*20\d\d-\d\d-\d\d \(\d+ days\)/);
  });

  it.each([
    ['an API model', ['gpt-4o', '--recommend'], /runs at its vendor/],
    ['no model', ['--recommend'], /needs a model/],
  ])('refuses %s', async (_, argv, says) => {
    const { code, stderr } = await mmdeploy(['plan', ...argv]);
    expect(code).toBe(2);
    expect(stderr).toMatch(says);
  });
});
