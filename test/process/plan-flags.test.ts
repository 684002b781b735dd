import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import type { DeploymentPlan } from '../../src/contracts/plan.ts';
import { planSchema } from '../../src/contracts/plan.ts';
import { rpcServerOf } from '../../src/simulate/rpc-server.ts';
import { MIB } from '../../src/units.ts';
import { mmdeploy } from '../helpers/cli.ts';

const llamaServer = inject('llamaServer');
const rpcServer = llamaServer === null ? null : rpcServerOf(llamaServer);
const home = mkdtempSync(join(tmpdir(), 'mmdeploy-flags-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

async function planJson(...argv: string[]): Promise<DeploymentPlan> {
  const { code, stdout, stderr } = await mmdeploy(['plan', ...argv, '-o', 'json'], {
    extraEnv: { MMDEPLOY_LLAMA_SERVER: llamaServer ?? '', HOME: home },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return planSchema.parse(JSON.parse(stdout));
}

const ONE = ['--gpu', '999GiB', '--quant', 'Q4_K_M', '--context', '8192', '--slots', '2'];
const TWO = ['--gpu', '999GiB', ...ONE];

describe.skipIf(llamaServer === null || rpcServer === null)('flags against llama.cpp', () => {
  it.each([
    ['qwen3-vl-30b-a3b', [...ONE, '--cpu-moe']],
    ['qwen3-vl-30b-a3b', [...TWO, '--n-cpu-moe', '10', '--kv-type-v', 'q8_0']],
    ['gemma-3-4b', [...ONE, '--swa-full', '--kv-unified']],
    ['gemma-3-4b', [...ONE, '--flash-attn', 'off', '--kv-type', 'q8_0', '--kv-type-v', 'bf16']],
    ['llava-1.5-7b', [...ONE, '--no-mmproj-offload']],
    ['qwen2.5-vl-7b', [...ONE, '--flash-attn', 'off']],
    ['internvl3-8b', [...TWO, '--flash-attn', 'off', '--kv-unified']],
  ])('%s %j', async (model, flags) => {
    const plan = await planJson(model, ...flags);
    const { memory } = await planJson(model, ...flags, '--simulate');
    for (const [index, device] of memory.devices.entries()) {
      const told = device.items.filter(({ basis }) => basis === 'simulated');
      expect(told.length).toBeGreaterThanOrEqual(2);
      for (const { part, bytes } of told) {
        const ours = plan.memory.devices[index]?.items.find((item) => item.part === part)?.bytes;
        const off = Math.abs(bytes - (ours ?? Number.NaN)) / MIB;
        expect(off, `${device.id} ${part}`).toBeLessThanOrEqual(0.3);
      }
    }
  });
});
