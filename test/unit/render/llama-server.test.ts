import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import type { DeploymentPlan } from '../../../src/contracts/plan.ts';
import { runCommand } from '../../../src/process/run.ts';
import { hostArgs } from '../../../src/render/parts/host.ts';
import { shellcheck } from '../../../src/validators/shell.ts';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';
import { nastyPlan } from '../../helpers/nasty-names.ts';
import { temporaryFolder } from '../../helpers/serve-supervisor.ts';
import { made, validatorContext } from '../../helpers/validators.ts';

const SCRIPT = 'llama-server.sh';

/** The files in a folder of their own, beside a program that prints what it is given. */
async function written(plan: DeploymentPlan, options: Parameters<typeof rendered>[2] = {}) {
  const folder = temporaryFolder();
  const { files, deployment, text } = await rendered(plan, ['llama-server'], options);
  for (const file of files) {
    const path = join(folder, file.path);
    writeFileSync(path, file.text);
    if (file.executable === true) chmodSync(path, 0o755);
  }
  const program = join(folder, 'fake program');
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\0' "$CUDA_VISIBLE_DEVICES" "$@"\n`);
  chmodSync(program, 0o755);
  const run = async (args: readonly string[] = [], env: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await runCommand(join(folder, SCRIPT), args, {
      timeoutMs: 10_000,
      env: { PATH: process.env['PATH'], LLAMA_SERVER: program, MMDEPLOY: program, ...env },
    });
    const [visible, ...argv] = stdout.split('\0').slice(0, -1);
    return { code, stderr, visible, argv };
  };
  return { folder, deployment, text, run };
}

describe('the start script', () => {
  it('gives llama-server the planned arguments, whatever is in the names', async () => {
    const { run, deployment } = await written(await nastyPlan());
    const { code, stderr, argv } = await run();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(argv).toEqual(hostArgs(deployment));
    expect(argv.slice(-4)).toEqual(['--cache-ram', expect.any(String), '--metrics', '--offline']);
  });

  it('adds arguments of its caller', async () => {
    const { run, deployment } = await written(await nastyPlan());
    const { argv } = await run(['--port', '9000', 'a b']);
    expect(argv).toEqual([...hostArgs(deployment), '--port', '9000', 'a b']);
  });

  it('starts the gateway on the plan beside it, from wherever it is called', async () => {
    const plan = await nastyPlan();
    const { run, folder, text } = await written(plan, { shape: 'gateway' });
    const { argv } = await run([], { CDPATH: '/' });
    expect(argv).toEqual([
      ...['serve', '--plan', join(folder, 'plan.host.json')],
      ...['--host', '127.0.0.1', '--port', '8080'],
    ]);
    const placed = JSON.parse(text('plan.host.json')) as DeploymentPlan;
    expect(placed.files).toEqual(plan.files);
  });

  it('says of every missing file what brings it', async () => {
    const { run, folder } = await written(
      await planFor({ model: 'qwen2.5-vl-7b', gpus: ['RTX 4090'], wishes: { quant: 'Q8_0' } }),
      { modelsDir: '/nowhere/my models' },
    );
    const { code, stderr } = await run();
    expect(code).toBe(5);
    const model = '/nowhere/my models/Qwen2.5-VL-7B-Instruct-Q8_0.gguf';
    expect(stderr).toContain(`${join(folder, SCRIPT)}: cannot read ${model}\n`);
    expect(stderr).toContain(
      `  fetch it: curl -fL --create-dirs -o '${model}' https://huggingface.co/`,
    );
    expect(stderr).toContain('mmproj-Qwen2.5-VL-7B-Instruct');
  });

  it('says where llama-server comes from', async () => {
    const { run } = await written(await nastyPlan());
    const { code, stderr } = await run([], { LLAMA_SERVER: 'no-such-llama-server' });
    expect(code).toBe(5);
    expect(stderr).toContain('there is no program no-such-llama-server');
    expect(stderr).toContain('mmdeploy engine install');
  });

  it('keeps the engine to the cards of its plan', async () => {
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['2x A100-80GB'] });
    const [first] = plan.machine.gpus;
    const both = await written(plan);
    expect(both.text(SCRIPT)).toContain('export CUDA_DEVICE_ORDER=PCI_BUS_ID\n');
    const folder = temporaryFolder();
    for (const { name } of both.deployment.files) writeFileSync(join(folder, name), '');
    const memory = {
      devices: plan.memory.devices.map((device) =>
        device.id === first?.id ? { ...device, peakBytes: 0 } : device,
      ),
    };
    const second = await written({ ...plan, memory }, { modelsDir: folder });
    expect((await second.run()).visible).toBe('1');
  });

  it('is refused on Windows, as llama-swap is', async () => {
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
    const os = { ...plan.machine.os, platform: 'win32' };
    const machine = { ...plan.machine, os, origin: 'detected' };
    for (const target of ['llama-server', 'llama-swap'] as const) {
      await expect(rendered({ ...plan, machine }, [target])).rejects.toMatchObject({
        message: `\`--target ${target}\`: what it writes is for a POSIX shell, and this is Windows`,
        hints: ['what works here: `--target models-ini,compose`'],
      });
    }
  });

  it('is refused for vLLM', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['RTX 4090'], engine: 'vllm' });
    await expect(rendered(plan, ['llama-server'])).rejects.toMatchObject({
      code: 'usage.invalid',
      message: expect.stringContaining('the plan is for vLLM'),
      hints: [expect.stringContaining('compose')],
    });
  });
});

describe.skipIf(inject('validators').shellcheck === null)('shellcheck', () => {
  it.each(Object.entries(MACHINES))('has nothing to say of the script: %s', async (_, gpus) => {
    const plan = await planFor({ model: 'llava-1.5-7b', gpus });
    for (const shape of ['engine', 'gateway'] as const) {
      const { folder } = await written(plan, { shape });
      const report = made(await shellcheck(join(folder, SCRIPT), validatorContext()));
      expect(report.findings).toEqual([]);
    }
  });

  it('nor with names that are traps', async () => {
    const { folder } = await written(await nastyPlan());
    const report = made(await shellcheck(join(folder, SCRIPT), validatorContext()));
    expect(report.findings).toEqual([]);
  });
});
