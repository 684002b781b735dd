import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import type { DeploymentPlan } from '../../../src/contracts/plan.ts';
import { wiringFindings } from '../../../src/deploy/wiring/findings.ts';
import { containerProcess } from '../../../src/render/parts/container.ts';
import { checkQuadlet, quadletDryrun } from '../../../src/validators/quadlet.ts';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';
import { nastyPlan } from '../../helpers/nasty-names.ts';
import { temporaryFolder } from '../../helpers/serve-supervisor.ts';
import { readUnit } from '../../helpers/systemd.ts';
import { made, validatorContext } from '../../helpers/validators.ts';

type Options = Parameters<typeof rendered>[2];

async function containerOf(plan: DeploymentPlan, options: Options = {}) {
  const { files, text, deployment } = await rendered(plan, ['quadlet'], options);
  const path = files.find(({ reader }) => reader === 'quadlet')?.path ?? '';
  const unit = text(path);
  const values = (key: string) =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value);
  const file = join(temporaryFolder(), path);
  writeFileSync(file, unit);
  return { values, file, deployment, files };
}

describe('the quadlet', () => {
  it('is given the cards of its plan and no others', async () => {
    const devices = async (gpus: readonly string[]) => {
      const { values } = await containerOf(await planFor({ model: 'llava-1.5-7b', gpus }));
      return { devices: values('AddDevice'), groups: values('GroupAdd') };
    };
    expect(await devices(MACHINES['one NVIDIA card'])).toEqual({
      devices: ['nvidia.com/gpu=0'],
      groups: [],
    });
    const own = ['keep-groups'];
    expect(await devices(MACHINES.AMD)).toEqual({ devices: ['/dev/kfd', '/dev/dri'], groups: own });
    expect(await devices(['Arc A770 16GB'])).toEqual({ devices: ['/dev/dri'], groups: own });
    expect(await devices(MACHINES.CPU)).toEqual({ devices: [], groups: [] });
  });

  it('says in its head which podman knows all of its keys', async () => {
    const needed = async (gpus: readonly string[]) => {
      const { file, values } = await containerOf(await planFor({ model: 'llava-1.5-7b', gpus }));
      const [head = ''] = readFileSync(file, 'utf8').split('[Unit]');
      expect(values('Entrypoint')).toHaveLength(1);
      return /^# Podman (\d\.\d) or newer/m.exec(head)?.[1];
    };
    expect(await needed(MACHINES['one NVIDIA card'])).toBe('5.0');
    expect(await needed(MACHINES.CPU)).toBe('5.0');
    expect(await needed(MACHINES.AMD)).toBe('5.1');
  });

  it('numbers several cards as its plan does', async () => {
    const on = async (gpus: readonly string[]) => {
      const { values } = await containerOf(await planFor({ model: 'llava-1.5-7b', gpus }));
      return values('Environment');
    };
    expect(await on(MACHINES['one NVIDIA card'])).toEqual([]);
    expect(await on(MACHINES['two NVIDIA cards'])).toEqual(['CUDA_DEVICE_ORDER=PCI_BUS_ID']);
  });

  it('publishes on this machine only, and on what is asked for', async () => {
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
    const published = async (host: string) => {
      const { values } = await containerOf(plan, { listen: { host, port: 9000 } });
      return values('PublishPort').join();
    };
    expect(await published('127.0.0.1')).toBe('127.0.0.1:9000:8080');
    expect(await published('localhost')).toBe('127.0.0.1:9000:8080');
    expect(await published('::1')).toBe('[::1]:9000:8080');
  });

  it('has the limits of its plan', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['none'] });
    const { values, deployment } = await containerOf(plan);
    expect(values('MemoryMax')).toEqual([`${deployment.memory.limitBytes / 2 ** 20}M`]);
    expect(values('HealthStartPeriod')).toEqual([`${deployment.startSeconds}s`]);
    expect(values('TimeoutStartSec')).toEqual([String(deployment.startSeconds)]);
  });

  it('names registries, as podman wants them', async () => {
    const llama = await containerOf(await planFor({ model: 'llava-1.5-7b', gpus: ['none'] }));
    expect(llama.values('Image')).toEqual([
      expect.stringMatching(/^ghcr\.io\/ggml-org\/llama\.cpp:server-\S+$/),
    ]);
    const gateway = await containerOf(llama.deployment.plan, { shape: 'gateway' });
    expect(gateway.values('Image')).toEqual(['localhost/mmdeploy:0.1.0']);
    expect(gateway.files.map(({ path }) => path)).toContain('Dockerfile');
    expect(gateway.values('Volume')).toContain(
      './llava-1-5-7b.plan.json:/etc/mmdeploy/plan.json:ro,z',
    );
    const vllm = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['RTX 4090'], engine: 'vllm' });
    const { values, deployment } = await containerOf(vllm);
    expect(values('Image')).toEqual([
      expect.stringMatching(/^docker\.io\/vllm\/vllm-openai:v[\d.]+$/),
    ]);
    expect(values('ShmSize')).toEqual([`${deployment.memory.sharedBytes}b`]);
    expect(deployment.memory.sharedBytes).toBeGreaterThan(0);
  });

  it('is refused where it cannot be', async () => {
    const apple = await planFor({ model: 'llava-1.5-7b', gpus: MACHINES.Apple });
    await expect(containerOf(apple)).rejects.toMatchObject({
      message: expect.stringContaining('Linux only'),
    });
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
    await expect(containerOf(plan, { modelsDir: '/srv/a:b' })).rejects.toMatchObject({
      message: '`--target quadlet`: podman cannot mount `/srv/a:b`: its name holds a colon',
      hints: ['what works here: `--target llama-server,systemd,compose`'],
    });
  });
});

describe.skipIf(inject('validators').quadlet === null)('podman', () => {
  const machines = Object.entries({ ...MACHINES, Intel: ['Arc A770 16GB'] });
  it.each(machines.filter(([name]) => name !== 'Apple'))(
    'takes the quadlet, and systemd what comes of it: %s',
    async (_, gpus) => {
      const plan = await planFor({ model: 'llava-1.5-7b', gpus });
      for (const shape of ['engine', 'gateway'] as const) {
        const { file } = await containerOf(plan, { shape });
        const reports = await checkQuadlet([file], validatorContext());
        expect(reports.map((report) => made(report).findings)).toEqual([[], []]);
      }
    },
  );

  it('takes that of vLLM', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['RTX 4090'], engine: 'vllm' });
    const { file, deployment } = await containerOf(plan);
    const [report] = await checkQuadlet([file], validatorContext());
    expect(report).toMatchObject({ ok: true, findings: [] });
    expect(wiringFindings('quadlet', readFileSync(file, 'utf8'), deployment)).toEqual([]);
  });

  describe.skipIf(inject('validators')['systemd-analyze'] === null)('starts what was meant', () => {
    /** podman's own command line, as systemd reads it in the unit that podman makes. */
    async function podmanRun(file: string) {
      const { services } = await quadletDryrun([file], validatorContext());
      const [name = '', text = ''] = Object.entries(services)[0] ?? [];
      const service = join(temporaryFolder(), name);
      writeFileSync(service, text);
      const { commands } = await readUnit(service);
      const run = commands.find((words) => words[1] === 'run') ?? [];
      return { run, after: (flag: string) => run[run.indexOf(flag) + 1] };
    }

    async function expectMeant(plan: DeploymentPlan) {
      const { file, deployment, values } = await containerOf(plan);
      const { run, after } = await podmanRun(file);
      const { entrypoint, args, health } = containerProcess(deployment);
      expect(run.slice(run.indexOf(values('Image')[0] ?? '') + 1)).toEqual(args);
      expect(run).toContain(`--entrypoint=${entrypoint.join()}`);
      expect(JSON.parse(after('--health-cmd') ?? '')).toEqual(health);
      return { after, deployment };
    }

    it('whatever is in the names', async () => {
      const { after, deployment } = await expectMeant(await nastyPlan(':'));
      expect(after('-v')).toBe(`${deployment.files[0]?.folder}:/models:ro,z`);
    });

    it('of vLLM, whose arguments and health check are full of quotes', async () => {
      const gpus = MACHINES['one NVIDIA card'];
      await expectMeant(await planFor({ model: 'qwen2.5-vl-7b', gpus, engine: 'vllm' }));
    });
  });
});
