import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { wiringFindings } from '../../../src/deploy/wiring/findings.ts';
import { engineArgs } from '../../../src/render/parts/argv.ts';
import { literal } from '../../../src/render/parts/pod.ts';
import { kubernetes } from '../../../src/render/kubernetes.ts';
import type { Deployment } from '../../../src/render/types.ts';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';
import { expanded, find, type KubeObject, kubeObjects } from '../../helpers/kubernetes.ts';
import { nastyPlan } from '../../helpers/nasty-names.ts';

const CARD = MACHINES['one NVIDIA card'];

async function written(
  options: Parameters<typeof rendered>[2] = {},
  wanted: Partial<Parameters<typeof planFor>[0]> = {},
) {
  const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: CARD, ...wanted });
  const made = await rendered(plan, ['kubernetes'], options);
  const objects = kubeObjects(made.text('kubernetes.yaml'));
  const pod = find(objects, 'Deployment').spec.template.spec;
  return { ...made, objects, pod, engine: pod.containers[0] };
}

/** As the target renders it when there is more than one copy. */
function copies(deployment: Deployment, replicas: number): KubeObject[] {
  const many = { ...deployment, scale: { ...deployment.scale, replicas } };
  return kubeObjects(kubernetes.render(many)[0]?.text ?? '');
}

describe('the kubernetes target', () => {
  it('runs the engine with the arguments of every other target, on the models’ volume', async () => {
    const { engine, deployment, pod, objects } = await written();
    const place = { folderOf: () => '/models', host: '0.0.0.0', port: 8080 };
    expect(engine.args.map((word) => expanded(word, {}))).toEqual(engineArgs(deployment, place));
    expect(engine.command).toEqual(['/app/llama-server']);
    const claim = pod.volumes.find(({ name }) => name === 'models');
    expect(claim?.persistentVolumeClaim?.claimName).toBe(
      find(objects, 'PersistentVolumeClaim').metadata.name,
    );
    expect(engine.volumeMounts).toContainEqual({
      name: 'models',
      mountPath: '/models',
      readOnly: true,
    });
  });

  it.each([
    ['one NVIDIA card', { 'nvidia.com/gpu': '1' }],
    ['AMD', { 'amd.com/gpu': '1' }],
    ['CPU', {}],
  ] as const)('asks for what the plan uses: %s', async (machine, cards) => {
    const { engine, deployment } = await written({}, { gpus: MACHINES[machine] });
    const mebibytes = Math.ceil(deployment.memory.limitBytes / 2 ** 20);
    expect(engine.resources.limits).toEqual({ memory: `${mebibytes}Mi`, ...cards });
    expect(engine.resources.requests).toMatchObject(cards);
  });

  it('asks for Intel cards and MIG instances by the names of their plugins', async () => {
    const { engine } = await written({}, { gpus: ['Arc A770 16GB'] });
    expect(engine.resources.limits).toHaveProperty(['gpu.intel.com/i915'], '1');
    // Linux has no i915 for Battlemage.
    const newer = await written({}, { gpus: ['Arc B580'] });
    expect(newer.engine.resources.limits).toHaveProperty(['gpu.intel.com/xe'], '1');
    const file = newer.text('kubernetes.yaml');
    expect(wiringFindings('kubernetes', file, newer.deployment)).toEqual([]);
    expect(file).toContain('the device plugin that offers `gpu.intel.com/xe`');
    expect(file).not.toContain('i915');
    const { deployment } = await written();
    const gpus = deployment.gpus.map((gpu) => ({
      ...gpu,
      mig: { parentUuid: null, profile: '1g.10gb+me' },
    }));
    const [text] = kubernetes.render({ ...deployment, gpus });
    expect(text?.text).toContain('nvidia.com/mig-1g.10gb.me: "1"');
  });

  it('holds the restricted profile where the devices let it', async () => {
    const { pod, engine } = await written();
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    for (const container of [engine, ...(pod.initContainers ?? [])]) {
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
    expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
    // /dev/kfd belongs to root and to a group whose number nobody knows.
    const amd = await written({}, { gpus: MACHINES.AMD });
    expect(amd.pod.securityContext.runAsUser).toBe(0);
  });

  it('says in its head what has to be there first', async () => {
    const { text } = await written({}, { gpus: MACHINES.AMD });
    expect(text('kubernetes.yaml')).toMatch(/^# .*the device plugin that offers `amd\.com\/gpu`/m);
    expect(text('kubernetes.yaml')).toMatch(/^# .*the pod runs as root without its capabilities/m);
    const cpu = await written({}, { gpus: MACHINES.CPU });
    expect(cpu.text('kubernetes.yaml')).not.toContain('device plugin');
  });

  it('gives a start the time of the plan, and kills nothing that is only busy', async () => {
    const { engine, deployment } = await written();
    const { startupProbe, livenessProbe, readinessProbe } = engine;
    expect(startupProbe.periodSeconds * startupProbe.failureThreshold).toBeGreaterThanOrEqual(
      deployment.startSeconds,
    );
    expect(livenessProbe.periodSeconds * livenessProbe.failureThreshold).toBe(600);
    expect(readinessProbe.httpGet).toEqual({ path: '/health', port: 'http' });
  });

  it('starts the gateway with its own plan, and asks it whether it is ready', async () => {
    const { engine, objects, files } = await written({ shape: 'gateway' });
    expect(engine.args.slice(0, 3)).toEqual(['serve', '--plan', '/etc/mmdeploy/plan.json']);
    const [map] = objects.filter(({ metadata }) => metadata.name === 'qwen2-5-vl-7b-plan');
    const plan = JSON.parse(map?.data['plan.json'] ?? '{}') as {
      files: { model: { path: string } };
    };
    expect(plan.files.model.path).toBe('/models/Qwen2.5-VL-7B-Instruct-Q8_0.gguf');
    expect(engine.readinessProbe.httpGet.path).toBe('/ready');
    expect(engine.livenessProbe.httpGet.path).toBe('/health');
    expect(files.map(({ path }) => path)).toContain('Dockerfile');
  });

  it('gives the gateway the memory of every other target, and room for what it keeps in files', async () => {
    const { engine, deployment, pod } = await written({ shape: 'gateway' });
    const { limitBytes, slotCacheMib } = deployment.memory;
    expect(engine.resources.limits['memory']).toBe(`${limitBytes / 2 ** 20}Mi`);
    expect(engine.args).toContain(`${slotCacheMib}MiB`);
    const shared = { medium: 'Memory', sizeLimit: `${slotCacheMib + 256}Mi` };
    expect(pod.volumes).toContainEqual({ name: 'shared-memory', emptyDir: shared });
  });

  it('lets vLLM fetch into a volume of its own, as the user of its image', async () => {
    const gpus = MACHINES['two NVIDIA cards'];
    const { pod, engine } = await written({}, { model: 'qwen2.5-vl-72b', gpus, engine: 'vllm' });
    expect(pod.initContainers).toBeUndefined();
    expect(pod.securityContext.runAsUser).toBe(2000);
    expect(engine.resources.limits).toHaveProperty(['nvidia.com/gpu'], '2');
    expect(engine.env).toContainEqual({
      name: 'HF_TOKEN',
      valueFrom: { secretKeyRef: { name: 'hf-token', key: 'HF_TOKEN', optional: true } },
    });
    expect(pod.volumes).toContainEqual({
      name: 'shared-memory',
      emptyDir: { medium: 'Memory', sizeLimit: '2048Mi' },
    });
  });

  it('lets nobody in but neighbours and the monitoring, and out only to the Hub', async () => {
    const { objects, deployment } = await written();
    const { spec } = find(objects, 'NetworkPolicy');
    expect(spec.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(spec.ingress).toHaveLength(1);
    expect(spec.egress[1]?.to?.[0]?.ipBlock.except).toContain('169.254.0.0/16');
    const files = deployment.files.map((file) => ({ ...file, source: null }));
    const [text] = kubernetes.render({ ...deployment, files });
    expect(find(kubeObjects(text?.text ?? ''), 'NetworkPolicy').spec.egress).toEqual([]);
  });

  it('replaces one copy before the next, and several in turn with a budget for drains', async () => {
    const { objects, deployment } = await written();
    expect(find(objects, 'Deployment').spec.strategy).toEqual({ type: 'Recreate' });
    expect(objects.map(({ kind }) => kind)).not.toContain('PodDisruptionBudget');
    const many = copies(deployment, 3);
    expect(find(many, 'PodDisruptionBudget').spec.maxUnavailable).toBe(1);
    expect(find(many, 'Deployment').spec.strategy).toEqual({
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: 0, maxUnavailable: 1 },
    });
    expect(find(many, 'PersistentVolumeClaim').spec.accessModes).toEqual(['ReadWriteMany']);
  });

  it.each([
    ['engine', 'llama.cpp', 'llamacpp:requests_deferred'],
    ['engine', 'vllm', 'vllm:num_requests_waiting'],
    ['gateway', 'llama.cpp', 'mmdeploy_queue_requests'],
  ] as const)('scales the %s of %s by its queue', async (shape, engine, metric) => {
    const { text, deployment } = await written({ shape }, { engine });
    const [scaler] = kubeObjects(text('autoscaling.yaml'));
    const metadata = scaler?.spec.triggers[0].metadata;
    const [, pods = ''] =
      new RegExp(`sum\\(${metric}\\{pod=~"(.*?)"\\}\\)`).exec(metadata?.['query'] ?? '') ?? [];
    // Prometheus anchors at both ends.
    const isOurs = new RegExp(`^(?:${pods})$`);
    expect(isOurs.test('qwen2-5-vl-7b-5d4f8c7b9x-x7k2p')).toBe(true);
    expect(isOurs.test('qwen2-5-vl-7b-awq-5d4f8c7b9x-x7k2p')).toBe(false);
    expect(isOurs.test('qwen2-5-vl-7b-0')).toBe(false);
    expect(metadata?.['threshold']).toBe(String(deployment.plan.settings?.slots));
  });

  it('passes names on as they are', async () => {
    const { text, deployment } = await rendered(await nastyPlan(), ['kubernetes']);
    const pod = find(kubeObjects(text('kubernetes.yaml')), 'Deployment').spec.template.spec;
    const place = { folderOf: () => '/models', host: '0.0.0.0', port: 8080 };
    const defined = { HOSTNAME: 'pod', HOME: '/root', PORT: '1' };
    const words = (list: readonly string[] = []) => list.map((word) => expanded(word, defined));
    expect(words(pod.containers[0].args)).toEqual(engineArgs(deployment, place));
    const [model] = deployment.files;
    expect(words(pod.initContainers?.[0]?.args).slice(2, 4)).toEqual([model?.name, '-']);
  });

  it('reads the same by the rules of YAML 1.1', async () => {
    const { text } = await written({ shape: 'gateway' });
    const by = (version: '1.1' | '1.2') =>
      parseAllDocuments(text('kubernetes.yaml'), { version }).map((each) => each.toJS() as object);
    expect(by('1.1')).toEqual(by('1.2'));
  });
});

describe('a word of a container’s command', () => {
  it.each(['$(HOME)', '$$', '$$(HOME)', '$$$(HOME)', '$', '$HOME', 'a$', '${HOME}', '$(', '$()'])(
    'is no variable: %s',
    (word) => {
      expect(expanded(literal(word), { HOME: '/root' })).toBe(word);
    },
  );
});
