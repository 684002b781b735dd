import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { DeploymentPlan } from '../../../src/contracts/plan.ts';
import { runCommand } from '../../../src/process/run.ts';
import { hostArgs } from '../../../src/render/parts/host.ts';
import { llamaSwapConfig } from '../../../src/render/schema/llama-swap.ts';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';
import { nastyPlan } from '../../helpers/nasty-names.ts';

async function configOf(plan: DeploymentPlan, options: Parameters<typeof rendered>[2] = {}) {
  const { text, start, deployment } = await rendered(plan, ['llama-swap'], options);
  const config = llamaSwapConfig.parse(parse(text('llama-swap.yaml')));
  const [[id, model] = ['', undefined]] = Object.entries(config.models);
  if (model === undefined) throw new Error('no model');
  return { config, id, model, start, deployment };
}

/**
 * The words of a command as llama-swap makes them: its macros first, of which it refuses those that it does
 * not know, then a POSIX shell's words, for which a shell stands in.
 */
async function wordsOf(command: string): Promise<string[]> {
  const replaced = command.replaceAll('${PORT}', '5800');
  expect(replaced).not.toMatch(/\$\{[\w.-]+\}/);
  const script = `printf '%s\\0' ${replaced.replaceAll('\n', ' ')}`;
  const { stdout } = await runCommand('/bin/sh', ['-c', script], { timeoutMs: 10_000, env: {} });
  return stdout.split('\0').slice(0, -1);
}

describe('the file of llama-swap', () => {
  it('says what the model takes, and how long it may take to start', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: MACHINES['one NVIDIA card'] });
    const { config, id, model, deployment } = await configOf(plan);
    expect(id).toBe('qwen2.5-vl-7b');
    expect(config.healthCheckTimeout).toBe(deployment.startSeconds);
    expect(model.capabilities).toEqual({
      in: ['text', 'image'],
      out: ['text'],
      context: plan.settings?.contextPerSlot,
    });
    expect(model.concurrencyLimit).toBe((plan.settings?.slots ?? NaN) + 64);
  });

  it('keeps the engine to the cards of its plan', async () => {
    const two = await planFor({ model: 'llava-1.5-7b', gpus: MACHINES['two NVIDIA cards'] });
    expect((await configOf(two)).model.env).toEqual(['CUDA_DEVICE_ORDER=PCI_BUS_ID']);
    const cpu = await planFor({ model: 'llava-1.5-7b', gpus: MACHINES.CPU });
    expect((await configOf(cpu)).model.env).toBeUndefined();
  });

  it('starts the planned engine on a port of its own, whatever is in the names', async () => {
    const plan = await nastyPlan();
    const { model, id, deployment } = await configOf(plan);
    expect(id).toBe(plan.model.id);
    expect(await wordsOf(model.cmd)).toEqual([
      'llama-server',
      ...hostArgs(deployment).map((arg) => (arg === '8080' ? '5800' : arg)),
    ]);
  });

  it('listens where it is asked to', async () => {
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
    const { start } = await configOf(plan, { listen: { host: '::1', port: 9000 } });
    expect(start).toEqual(["llama-swap --config llama-swap.yaml --listen '[::1]:9000'"]);
  });

  it('is refused for vLLM, the gateway, and names that it cannot say', async () => {
    const vllm = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['RTX 4090'], engine: 'vllm' });
    await expect(configOf(vllm)).rejects.toMatchObject({
      message: '`--target llama-swap`: it starts llama.cpp, and the plan is for vLLM',
      hints: [expect.stringContaining('vllm')],
    });
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
    await expect(configOf(plan, { shape: 'gateway' })).rejects.toMatchObject({
      message: expect.stringContaining('`--gateway` has no place in it'),
    });
    await expect(configOf(plan, { modelsDir: '/srv/a\nb' })).rejects.toMatchObject({
      message: expect.stringContaining('no command of llama-swap can say "/srv/a\\nb/'),
    });
  });
});
