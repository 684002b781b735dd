import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { runCommand } from '../../src/process/run.ts';
import { engineArgs } from '../../src/render/parts/argv.ts';
import { composeConfig } from '../../src/validators/compose.ts';
import { shellcheck } from '../../src/validators/shell.ts';
import { planFor, rendered } from '../helpers/deployments.ts';
import { made, validatorContext } from '../helpers/validators.ts';

const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-vllm-'));
afterAll(() => rmSync(folder, { recursive: true }));
const validators = inject('validators');

async function written() {
  const gpus = ['RTX 3060 12GB', '2x A100-80GB'];
  const plan = await planFor({ model: 'qwen2.5-vl-72b', gpus, engine: 'vllm' });
  const nasty = { ...plan, model: { ...plan.model, name: "a 'b' $HOME\n`id`" } };
  const { deployment, text } = await rendered(nasty, ['compose', 'vllm']);
  const here = mkdtempSync(join(folder, 'd-'));
  const script = join(here, 'vllm.sh');
  const compose = join(here, 'compose.yaml');
  writeFileSync(script, text('vllm.sh'), { mode: 0o755 });
  writeFileSync(compose, text('compose.yaml'));
  return { deployment, script, compose };
}

const run = (script: string, env: Record<string, string>, args: readonly string[] = []) =>
  runCommand(script, args, {
    timeoutMs: 20_000,
    env: { PATH: process.env['PATH'] ?? '', ...env },
  });

describe('vllm.sh', () => {
  it('becomes the program with the very arguments of the plan, on its cards', async () => {
    const program = join(folder, 'tells');
    writeFileSync(
      program,
      `#!${process.execPath}
console.log(JSON.stringify([process.argv.slice(2), process.env.CUDA_VISIBLE_DEVICES]));\n`,
    );
    chmodSync(program, 0o755);
    const { script, deployment } = await written();
    const result = await run(script, { VLLM_PROGRAM: program }, ['--seed', '7 7']);
    const placed = { ...deployment.listen, folderOf: () => '' };
    expect(JSON.parse(result.stdout)).toEqual([
      [...engineArgs(deployment, placed), '--seed', '7 7'],
      '1,2',
    ]);
  });

  it('says what is missing and exits 5', async () => {
    const { script } = await written();
    const result = await run(script, { VLLM_PROGRAM: '/nonexistent/vllm' });
    expect(result.code).toBe(5);
    expect(result.stderr).toMatch(/no program \/nonexistent\/vllm\n.*uv tool install vllm==/);
  });

  it.skipIf(validators.shellcheck === null)('has nothing that shellcheck remarks', async () => {
    const { script } = await written();
    expect(made(await shellcheck(script, validatorContext()))).toMatchObject({ findings: [] });
  });
});

describe.skipIf(validators['docker-compose'] === null)('compose.yaml of vLLM', () => {
  it('is taken by docker-compose', async () => {
    const { compose } = await written();
    const report = made(await composeConfig(compose, validatorContext()));
    expect(report).toMatchObject({ ok: true, findings: [] });
  });
});
