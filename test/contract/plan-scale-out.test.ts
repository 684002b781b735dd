import { describe, expect, it } from 'vitest';
import { planSchema, type DeploymentPlan } from '../../src/contracts/plan.ts';
import { deploymentOf } from '../../src/render/deployment.ts';
import { mmdeploy } from '../helpers/cli.ts';

async function planned(...args: readonly string[]) {
  const { code, stdout } = await mmdeploy(['plan', ...args, '-o', 'json']);
  return { code, plan: planSchema.strict().parse(JSON.parse(stdout)) };
}

const MANY = ['qwen2.5-vl-7b', '--gpu', 'L40S', '--users', '64', '--images', '2@1280x720'];
const LONG = [...MANY, '--context', '32768', '--engine', 'vllm'];

const deployed = (plan: DeploymentPlan, targets: readonly string[]) =>
  deploymentOf(plan, {
    ...{ shape: 'engine', modelsDir: null, cdi: false, groups: null, targets },
    ...{ version: 'mmdeploy 0.0.0', command: 'mmdeploy plan' },
    listen: { host: '127.0.0.1', port: 8080 },
    architecture: () => null,
    release: () => ({ version: '1.0.0', build: null, flags: [] }),
    images: () => ({
      ...{ engine: 'vllm:v1', gateway: 'mmdeploy:1', program: '/app/llama-server' },
      ...{ node: 'node:1', fetch: 'curl:1' },
    }),
  });

describe('a plan that outgrows its machine', () => {
  it('proposes copies for more users than fit, with the command of each', async () => {
    const { code, plan } = await planned(...LONG);
    expect(code).toBe(3);
    expect(plan.verdict).toBe('no');
    const { scaleOut } = plan;
    expect(scaleOut).toMatchObject({ kind: 'replicas', nodes: 1, tensor: 1, target: 'kserve' });
    const { replicas = 0, usersPerReplica = 0, settings, engine } = scaleOut ?? {};
    expect(replicas).toBe(Math.ceil(64 / usersPerReplica));
    expect(settings?.slots).toBe(Math.ceil(64 / replicas));
    expect(engine?.args.join(' ')).toContain(`--max-num-seqs ${settings?.slots} `);
    expect(scaleOut?.why).toMatch(/llm-d's router/);
  });

  it('says so as text, with the flags that write it', async () => {
    const { stdout, stderr, code } = await mmdeploy(['plan', ...LONG]);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^Outgrown +one copy on 1 GPU holds \d+ users of 32768 tokens/m);
    expect(stdout).toMatch(/the same command with `--target kserve --write DIR` writes it/);
    expect(stderr).toMatch(/hint: one copy on 1 GPU holds/);
  });

  it('proposes several machines for a model that exceeds one', async () => {
    const { plan } = await planned('qwen2.5-vl-72b', '--gpu', '2x L4', '--engine', 'vllm');
    expect(plan.scaleOut).toMatchObject({ kind: 'multi-node', tensor: 2, target: 'lws' });
    const { nodes, pipeline, engine, memory } = plan.scaleOut ?? {};
    expect(nodes).toBe(pipeline);
    expect(engine?.args.join(' ')).toContain(
      `--tensor-parallel-size 2 --pipeline-parallel-size ${pipeline}`,
    );
    expect(memory?.devices).toHaveLength(2);
  });

  it('does so for llama.cpp where it would leave layers to the CPU', async () => {
    const { code, plan } = await planned('qwen2.5-vl-72b', '--gpu', 'L4');
    expect(code).toBe(0);
    expect(plan.verdict).toBe('offload');
    expect(plan.scaleOut).toMatchObject({ kind: 'multi-node', target: 'lws' });
    const one = await planned('qwen2.5-vl-72b', '--gpu', '2x A100-40GB', '--quant', 'BF16');
    expect(one.plan.scaleOut?.kind).toBe('multi-node');
  });

  it.each([
    ['fits', 'qwen2.5-vl-7b', ['--gpu', 'L40S', '--engine', 'vllm']],
    ['is for a Mac', 'qwen2.5-vl-72b', ['--gpu', 'M2 16GB']],
    ['has no GPU', 'qwen2.5-vl-72b', ['--gpu', 'none']],
    ['is for a card that vLLM does not run on', 'qwen2.5-vl-72b', ['--gpu', 'Radeon RX 6900 XT']],
    ['asks for what only llama.cpp has', 'qwen2.5-vl-72b', ['--gpu', 'L4', '--quant', 'Q4_K_M']],
  ])('proposes nothing where the plan %s', async (_, model, flags) => {
    const { plan } = await planned(model, ...flags);
    expect(plan.scaleOut).toBeUndefined();
  });

  it.each([
    ['kserve', LONG, /replicas: (\d+)/],
    ['lws', ['qwen2.5-vl-72b', '--gpu', '2x L4', '--engine', 'vllm'], /size: (\d+)/],
    ['lws', ['qwen2.5-vl-72b', '--gpu', 'L4'], /size: (\d+)/],
  ] as const)('is written for %s, where its readers take it', async (target, args, count) => {
    const { plan } = await planned(...args);
    const files = ['--target', target, '--with', 'monitoring', '--dry-run'];
    const { code, stdout, stderr } = await mmdeploy(['plan', ...args, ...files]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const { replicas, nodes } = plan.scaleOut ?? {};
    expect(Number(count.exec(stdout)?.[1])).toBe(target === 'lws' ? nodes : replicas);
    expect(stdout).toContain('==> monitoring/alerts.yml <==');
  });

  it('deploys one copy of the proposal, as often as it says', async () => {
    const { plan } = await planned(...LONG);
    const { scaleOut } = plan;
    const made = deployed(plan, ['kserve']);
    expect(made.scale).toEqual({ replicas: scaleOut?.replicas, nodes: 1, tensor: 1, pipeline: 1 });
    expect(made.plan.engine).toEqual(scaleOut?.engine);
    expect(made.origin.planDigest).toMatch(/^sha256:/);
    expect(() => deployed(plan, ['compose'])).toThrow(/more than/);
    expect(() => deployed(plan, ['compose', 'lws'])).toThrow(
      /`--target lws` is for \d+ machines, `compose` for one/,
    );
  });
});
