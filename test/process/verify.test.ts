import { existsSync, readFileSync, truncateSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import type { PlanOptions } from '../../src/cli/requests/plan.ts';
import { toPlanRequest } from '../../src/cli/requests/plan.ts';
import { planSchema } from '../../src/contracts/plan.ts';
import { writeDemoModel } from '../../src/demo/model.ts';
import { folders } from '../../src/process/folders.ts';
import { runCommand } from '../../src/process/run.ts';
import type { RunCommand } from '../../src/process/run.ts';
import { MIB } from '../../src/units.ts';
import { calibratedPlan } from '../../src/workflows/calibrated.ts';
import { createContext } from '../../src/workflows/create-context.ts';
import { verifiedPlan } from '../../src/workflows/verify.ts';
import { freshHome } from '../helpers/cli.ts';

const llamaServer = inject('llamaServer');

/** `--verify` plans for this machine: one without a GPU here, whatever the tests run on. */
const run: RunCommand = (file, args, options) =>
  /nvidia-smi|rocm-smi|amd-smi|xpu-smi/.test(file)
    ? Promise.resolve({ code: null, stdout: '', stderr: '', outcome: 'not-found' })
    : runCommand(file, args, options);

function context(server = llamaServer) {
  const env = {
    PATH: '/usr/bin:/bin',
    HOME: freshHome(),
    ...(server === null ? {} : { MMDEPLOY_LLAMA_SERVER: server }),
  };
  return createContext({ env, folders: folders(env), run });
}

const request = (model: string, options: Partial<PlanOptions> = {}) =>
  toPlanRequest(model, { output: 'table', context: '4096', slots: '2', ...options });

describe('verifiedPlan', () => {
  it('loads on this machine only', async () => {
    await expect(
      verifiedPlan(request('llava-1.5-7b', { gpu: ['24GiB'] }), context()),
    ).rejects.toMatchObject({ code: 'usage.invalid', message: /this machine/ });
  });

  it('needs files: a profile without them is exit 5, with the plan by the formulas', async () => {
    const { plan, failure } = await verifiedPlan(request('demo', { quant: 'F16' }), context());
    expect(failure).toMatchObject({ code: 'file.missing', exitCode: 5 });
    expect(failure?.hints.join()).toContain('--mmproj');
    expect(plan.verification).toBeUndefined();
  });
});

describe.skipIf(llamaServer === null)('verifiedPlan with the real engine', () => {
  it('measures a real load, and keeps what it found', async () => {
    const ctx = context();
    const pair = await writeDemoModel(join(freshHome(), 'model'));
    const { plan, failure } = await verifiedPlan(request(pair.model), ctx);
    expect(failure).toBeNull();
    expect(() => planSchema.parse(plan)).not.toThrow();
    const host = plan.memory.devices.at(-1);
    const kv = host?.items.find(({ part }) => part === 'kv-cache');
    // Two slots of 4096 tokens, two layers, two heads of 16, K and V, F16.
    expect(kv).toMatchObject({ basis: 'measured', bytes: 2 * 4096 * 2 * 2 * 32 * 2 });
    const { verification } = plan;
    const found = verification?.devices.at(-1)?.parts ?? [];
    expect(found.map(({ part }) => part)).toEqual(
      expect.arrayContaining(['weights', 'kv-cache', 'compute', 'encoder-compute']),
    );
    for (const { plannedBytes, measuredBytes } of found) {
      expect(Math.abs(plannedBytes - measuredBytes)).toBeLessThan(0.5 * MIB);
    }
    expect(verification?.residentBytes).toBeGreaterThan(10 * MIB);
    const kept = JSON.parse(readFileSync(verification?.calibrationFile ?? '', 'utf8'));
    expect(kept).toMatchObject({
      schema: 'mmdeploy.calibration/v1',
      devices: verification?.devices,
    });
  });

  it('is what a later plan of the same files and settings says, and no other', async () => {
    const ctx = context();
    const pair = await writeDemoModel(join(freshHome(), 'model'));
    const kvOf = async (options: Partial<PlanOptions> = {}) => {
      const { memory } = await calibratedPlan(request(pair.model, options), ctx);
      return memory.devices.at(-1)?.items.find(({ part }) => part === 'kv-cache');
    };
    expect(await kvOf()).toMatchObject({ basis: 'gguf' });
    const { plan } = await verifiedPlan(request(pair.model), ctx);
    expect(await kvOf()).toMatchObject({
      basis: 'measured',
      formula: expect.stringMatching(
        /^measured on \d{4}-\d\d-\d\d with llama\.cpp b\d+; formula: /,
      ),
    });
    const again = await calibratedPlan(request(pair.model), ctx);
    expect(again.memory).toEqual({
      devices: plan.memory.devices.map((device) => ({
        ...device,
        freeBytes: expect.any(Number),
        items: device.items.map((item) => ({ ...item, formula: expect.any(String) })),
      })),
    });
    expect(await kvOf({ kvType: 'q8_0' })).toMatchObject({ basis: 'gguf' });
    expect(await kvOf({ context: '2048' })).toMatchObject({ basis: 'gguf' });
    // The same figures of a file that was written anew are another file's.
    utimesSync(pair.model, 1, 1);
    expect(await kvOf()).toMatchObject({ basis: 'gguf' });
  });

  it('tells why a load failed, and keeps nothing', async () => {
    const ctx = context('/bin/true');
    const pair = await writeDemoModel(join(freshHome(), 'model'));
    const { failure } = await verifiedPlan(request(pair.model), ctx);
    expect(failure?.code).toBe('engine.not-found');

    // The header is whole, and the engine finds the data cut off.
    truncateSync(pair.mmproj, 100_000);
    const broken = await verifiedPlan(request(pair.model), context()).catch((error: unknown) => ({
      failure: error,
    }));
    expect(broken.failure).toMatchObject({ code: expect.stringMatching(/gguf\.|engine\.start/) });
    expect(existsSync(join(ctx.folders.state, 'calibrations'))).toBe(false);
  });
});
