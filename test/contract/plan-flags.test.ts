import { describe, expect, it } from 'vitest';
import type { DeploymentPlan } from '../../src/contracts/plan.ts';
import { planSchema } from '../../src/contracts/plan.ts';
import { mmdeploy } from '../helpers/cli.ts';

async function planJson(model: string, ...flags: string[]): Promise<DeploymentPlan> {
  const { code, stdout, stderr } = await mmdeploy(['plan', model, ...flags, '-o', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return planSchema.parse(JSON.parse(stdout));
}

const bytesOf = (plan: DeploymentPlan, device: string, part: string) =>
  plan.memory.devices.find(({ id }) => id === device)?.items.find((item) => item.part === part)
    ?.bytes ?? 0;

const LLAVA = ['llava-1.5-7b', '--gpu', '80GiB', '--context', '4096', '--slots', '2'] as const;
const MOE = ['qwen3-vl-30b-a3b', '--gpu', '80GiB', '--context', '4096', '--slots', '1'] as const;

describe('what llama-server is told', () => {
  it.each([
    [LLAVA, ['--kv-type', 'q8_0'], ['--cache-type-k', 'q8_0', '--cache-type-v', 'q8_0']],
    [LLAVA, ['--kv-type-v', 'q8_0'], ['--cache-type-k', 'f16', '--cache-type-v', 'q8_0']],
    [LLAVA, ['--kv-unified'], ['--kv-unified']],
    [LLAVA, ['--flash-attn', 'off'], ['--flash-attn', 'off']],
    [LLAVA, ['--flash-attn', 'auto'], ['--flash-attn', 'on']],
    [LLAVA, ['--no-mmproj-offload'], ['--no-mmproj-offload']],
    [['gemma-3-4b', '--gpu', '24GiB'], ['--swa-full'], ['--swa-full']],
    [MOE, ['--cpu-moe'], ['--n-cpu-moe', '48']],
    [MOE, ['--n-cpu-moe', '10'], ['--n-cpu-moe', '10']],
  ])('%j %j: %j', async ([model = '', ...machine], flags, expected) => {
    const { engine } = await planJson(model, ...machine, ...flags);
    expect(` ${engine?.args.join(' ')} `).toContain(` ${expected.join(' ')} `);
  });

  it('holds none of them unasked', async () => {
    const { engine, settings } = await planJson(...MOE);
    const quiet = ['--kv-unified', '--swa-full', '--n-cpu-moe', '--no-mmproj-offload'];
    expect(engine?.args.filter((arg) => quiet.includes(arg))).toEqual([]);
    expect(settings).toMatchObject({
      ...{ kvType: 'f16', kvTypeV: 'f16', kvUnified: false, swaFull: false },
      ...{ cpuMoeLayers: 0, flashAttention: true },
    });
  });
});

describe('what stays on the CPU', () => {
  it('is the experts, and their bytes move to the host', async () => {
    const whole = await planJson(...MOE, '--quant', 'Q4_K_M');
    const spared = await planJson(...MOE, '--quant', 'Q4_K_M', '--cpu-moe');
    expect(spared.verdict).toBe('offload');
    expect(spared.reasons[0]).toMatch(/all layers run on the GPU; the experts of all layers stay/);
    const [before, after] = [bytesOf(whole, 'gpu0', 'weights'), bytesOf(spared, 'gpu0', 'weights')];
    expect(bytesOf(spared, 'host', 'weights') - bytesOf(whole, 'host', 'weights')).toBe(
      before - after,
    );
    expect(after).toBeLessThan(before / 10);
    expect(spared.settings).toMatchObject({ cpuMoeLayers: 48, gpuLayers: 49 });
  });

  it('is the encoder', async () => {
    const plan = await planJson(...LLAVA, '--no-mmproj-offload');
    expect(plan.verdict).toBe('offload');
    expect(bytesOf(plan, 'gpu0', 'encoder-weights')).toBe(0);
    expect(bytesOf(plan, 'host', 'encoder-weights')).toBeGreaterThan(5e8);
    expect(plan.settings?.gpuLayers).toBe(33);
  });
});

describe('what contradicts itself', () => {
  it.each([
    [['--cpu-moe', '--n-cpu-moe', '3'], /exclude each other/],
    [['--flash-attn', 'off', '--kv-type', 'q4_0'], /quantised V/],
    [['--flash-attn', 'off', '--kv-type-v', 'q8_0'], /quantised V/],
    [['--flash-attn', 'maybe'], /`--flash-attn` takes on, off, auto/],
  ])('%j', async (flags, message) => {
    const { code, stderr } = await mmdeploy(['plan', ...MOE, ...flags]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('but K alone may be quantised', async () => {
    const plan = await planJson(
      ...([...LLAVA, '--flash-attn', 'off', '--kv-type', 'q8_0', '--kv-type-v', 'f16'] as const),
    );
    expect(plan.settings).toMatchObject({ kvType: 'q8_0', kvTypeV: 'f16', flashAttention: false });
  });
});
