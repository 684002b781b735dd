import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { wiringFindings } from '../../../src/deploy/wiring/findings.ts';
import { shellWords } from '../../../src/deploy/wiring/shell-words.ts';
import { additionalArgs, kserve } from '../../../src/render/kserve.ts';
import { engineArgs } from '../../../src/render/parts/argv.ts';
import type { Deployment } from '../../../src/render/types.ts';
import { planFor, rendered } from '../../helpers/deployments.ts';
import { expanded, find, kubeObjects, type Pod } from '../../helpers/kubernetes.ts';

const HOST = { folderOf: () => '', host: '0.0.0.0', port: 8080 };
/** 72 billion parameters on cards of 24 GiB. */
const ACROSS = { model: 'qwen2.5-vl-72b', gpus: ['2x L4'], engine: 'vllm' } as const;
const MANY = {
  model: 'qwen2.5-vl-7b',
  gpus: ['L40S'],
  engine: 'vllm',
  wishes: {
    contextPerSlot: 32_768,
    workload: {
      users: 64,
      images: { count: 2, width: 1280, height: 720 },
      ...{ audio: null, video: null, textTokens: 0, outputTokens: 512 },
    },
  },
} as const;

describe('the lws target', () => {
  async function group() {
    const made = await rendered(await planFor(ACROSS), ['lws']);
    const objects = kubeObjects(made.text('lws.yaml'));
    const { spec } = find(objects, 'LeaderWorkerSet') as unknown as {
      spec: {
        replicas: number;
        leaderWorkerTemplate: {
          size: number;
          leaderTemplate: { spec: Pod };
          workerTemplate: { spec: Pod };
          volumeClaimTemplates: { metadata: { name: string } }[];
        };
      };
    };
    const { leaderTemplate, workerTemplate, ...template } = spec.leaderWorkerTemplate;
    return {
      ...made,
      objects,
      ...template,
      leader: leaderTemplate.spec,
      worker: workerTemplate.spec,
    };
  }

  it('starts the same engine on each machine, with its rank and the leader’s address', async () => {
    const { leader, worker, deployment, size } = await group();
    expect(size).toBe(deployment.scale.nodes);
    const set = { LWS_GROUP_SIZE: '4', LWS_WORKER_INDEX: '2', LWS_LEADER_ADDRESS: 'a.b' };
    const run = (pod: Pod) => pod.containers[0].args.map((word) => expanded(word, set));
    const place = ['--nnodes', '4', '--node-rank', '2', '--master-addr', 'a.b'];
    expect(run(leader)).toEqual([...engineArgs(deployment, HOST), ...place]);
    expect(run(worker)).toEqual([...run(leader), '--headless']);
    expect(run(leader).join(' ')).toContain(
      `--tensor-parallel-size 2 --pipeline-parallel-size ${size}`,
    );
  });

  it('asks only the leader, which alone answers', async () => {
    const { leader, worker, objects } = await group();
    expect(leader.containers[0].startupProbe.httpGet.path).toBe('/health');
    expect(worker.containers[0]).not.toHaveProperty('startupProbe');
    expect(worker.containers[0]).not.toHaveProperty('ports');
    const service = find(objects, 'Service');
    expect(service.metadata.name).toBe('qwen2-5-vl-72b-leader');
    expect(service.spec).toMatchObject({
      selector: { 'leaderworkerset.sigs.k8s.io/worker-index': '0' },
    });
  });

  it('gives each machine its GPUs and a volume for the whole model', async () => {
    const { worker, volumeClaimTemplates, deployment } = await group();
    const [engine] = worker.containers;
    expect(engine.resources.limits).toHaveProperty(['nvidia.com/gpu'], '2');
    expect(volumeClaimTemplates.map(({ metadata }) => metadata.name)).toEqual(['cache']);
    expect(engine.volumeMounts.map(({ name }) => name)).toContain('cache');
    expect(deployment.startSeconds).toBeGreaterThan(900);
  });

  it('finds an argument that one of the machines has not', async () => {
    const { text, deployment } = await group();
    expect(wiringFindings('kubernetes', text('lws.yaml'), deployment)).toEqual([]);
    const changed = text('lws.yaml').replace('--max-num-seqs', '--max-seqs');
    expect(wiringFindings('kubernetes', changed, deployment)).toContain(
      '`--max-seqs` is not of the plan',
    );
  });

  it('is refused where one machine will do, with what works', async () => {
    const one = await planFor({ ...ACROSS, gpus: ['2x A100-80GB'] });
    await expect(rendered(one, ['lws'])).rejects.toMatchObject({
      message: expect.stringContaining('a copy of the model fits one machine') as string,
      hints: [expect.stringContaining('kubernetes') as string],
    });
  });

  it.each([
    ['a CPU', { model: 'qwen2.5-vl-7b', gpus: ['none'] }],
    ['llama.cpp', { model: 'qwen2.5-vl-7b', gpus: ['RTX 4090'], engine: 'llama.cpp' }],
  ] as const)('is refused for a plan of %s', async (_, wanted) => {
    await expect(rendered(await planFor(wanted), ['lws'])).rejects.toThrow(
      /plan is for llama\.cpp/,
    );
    await expect(rendered(await planFor(wanted), ['kserve'])).rejects.toThrow(/for llama\.cpp/);
  });

  it('offers a plan for vLLM only where there can be one, on the cards that were asked for', async () => {
    const refusal = async (gpus: readonly string[]) => {
      const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus, engine: 'llama.cpp' });
      return rendered(plan, ['lws']).then(
        () => 'none',
        (error: unknown) => String(error),
      );
    };
    expect(await refusal(['RTX 4090'])).toContain(
      "`mmdeploy plan qwen2.5-vl-7b --gpu 'RTX 4090' --engine vllm` plans for vLLM",
    );
    for (const gpus of [['none'], ['Arc B580'], ['M2 Max 64GB']]) {
      const said = await refusal(gpus);
      expect(said).toContain('vLLM is planned on NVIDIA and AMD cards only');
      expect(said).not.toContain('--engine');
    }
  });
});

describe('the kserve target', () => {
  async function inference() {
    const made = await rendered(await planFor(MANY), ['kserve']);
    const [object] = kubeObjects(made.text('kserve.yaml'));
    return {
      ...made,
      spec: object?.spec as unknown as {
        model: object;
        replicas: number;
        parallelism: object;
        template: Pod;
      },
    };
  }

  it('is as many copies as the plan proposes', async () => {
    const { spec, deployment } = await inference();
    expect(spec.replicas).toBe(deployment.scale.replicas);
    expect(spec.replicas).toBeGreaterThan(1);
    expect(spec.parallelism).toEqual({ tensor: 1 });
    const [, repository] = engineArgs(deployment, HOST);
    expect(spec.model).toEqual({ uri: `hf://${repository}`, name: repository });
    expect(spec.template.containers[0].name).toBe('main');
  });

  it('names vLLM’s user by number, which KServe’s own container asks for', async () => {
    const { spec, deployment } = await inference();
    const user = { runAsNonRoot: true, runAsUser: 2000 };
    expect(spec.template.containers[0].securityContext).toEqual(user);
    const [file] = kserve.render({ ...deployment, accelerator: 'amd' });
    expect(file?.text).toMatch(/runAsNonRoot: false\n\s+runAsUser: 0\n/);
  });

  it('starts vLLM with the plan’s arguments, as the shell there reads them', async () => {
    const { spec, deployment, text } = await inference();
    const [variable] = spec.template.containers[0].env ?? [];
    expect(variable?.name).toBe('VLLM_ADDITIONAL_ARGS');
    const [, , ...planned] = engineArgs(deployment, HOST);
    const words = shellWords(expanded(variable?.value ?? '', { HOME: '/home' }));
    expect([...words, '--host', '0.0.0.0', '--port', '8080'].sort()).toEqual([...planned].sort());
    expect(words).toContain('{"image":2,"video":0}');
    expect(wiringFindings('kubernetes', text('kserve.yaml'), deployment)).toEqual([]);
    const changed = text('kserve.yaml').replace('--max-num-seqs', '--max-seqs');
    expect(wiringFindings('kubernetes', changed, deployment)).not.toEqual([]);
  });

  it('survives what the shell and KServe’s templates would take for theirs', async () => {
    const { deployment } = await inference();
    const nasty = `it's {{ .X }} {{{ $(id) \`id\` "$HOME"`;
    const engine = { name: 'vllm' as const, minVersion: null, args: ['serve', 'm', '--x', nasty] };
    const odd: Deployment = { ...deployment, plan: { ...deployment.plan, engine } };
    const value = additionalArgs(odd);
    expect(value).not.toContain('{{');
    // As its container does it, by a real shell.
    const set = { VLLM_ADDITIONAL_ARGS: expanded(value, { id: 'root' }), HOME: '/root' };
    const printed = execFileSync('sh', ['-c', `eval "printf '%s\\0' \${VLLM_ADDITIONAL_ARGS}"`], {
      env: { PATH: process.env['PATH'], ...set },
      encoding: 'utf8',
    });
    expect(printed.split('\0').slice(0, 2)).toEqual(['--x', nasty]);
  });

  it('is refused where a copy needs several machines, or the model is not on the Hub', async () => {
    await expect(rendered(await planFor(ACROSS), ['kserve'])).rejects.toMatchObject({
      message: expect.stringMatching(/needs \d machines/) as string,
      hints: [expect.stringContaining('--target lws') as string],
    });
  });
});
