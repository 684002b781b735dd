import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';

type Service = Record<string, unknown> & { command: string[]; volumes: Record<string, unknown>[] };

async function serviceOn(
  gpus: readonly string[],
  options: Parameters<typeof rendered>[2] = {},
  more: Partial<Parameters<typeof planFor>[0]> = {},
) {
  const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus, ...more });
  const { text, deployment } = await rendered(plan, ['compose'], options);
  const project = parse(text('compose.yaml')) as { services: Record<string, Service> };
  const [service] = Object.values(project.services);
  if (service === undefined) throw new Error('no service');
  return { service, deployment, plan };
}

describe('the compose target', () => {
  it('wires the cards that the plan uses, and no other', async () => {
    const { service, plan } = await serviceOn(MACHINES['two NVIDIA cards']);
    const used = plan.memory.devices.filter(({ id, peakBytes }) => id !== 'host' && peakBytes > 0);
    const device_ids = used.map(({ id }) => id.replace('gpu', ''));
    expect(device_ids.length).toBeGreaterThan(0);
    expect(service['deploy']).toEqual({
      resources: {
        reservations: {
          devices: [{ driver: 'nvidia', device_ids, capabilities: ['gpu'] }],
        },
      },
    });
  });

  it('names cards by CDI where asked', async () => {
    const { service } = await serviceOn(MACHINES['one NVIDIA card'], { cdi: true });
    expect(JSON.stringify(service['deploy'])).toContain(
      '"driver":"cdi","device_ids":["nvidia.com/gpu=0"]',
    );
  });

  it('gives AMD containers the numbers of their groups', async () => {
    const known = await serviceOn(MACHINES.AMD, { groups: { video: 44, render: 992 } });
    expect(known.service['group_add']).toEqual(['44', '992']);
    expect(known.service['devices']).toContain('/dev/kfd:/dev/kfd');
    const { service } = await serviceOn(MACHINES.AMD);
    expect(service['group_add']).toEqual([
      expect.stringMatching(/^\$\{VIDEO_GID:\?/),
      expect.stringMatching(/^\$\{RENDER_GID:\?/),
    ]);
  });

  it('mounts both files read-only and publishes on this machine only', async () => {
    const { service } = await serviceOn(MACHINES.CPU, { modelsDir: '/data/$models' });
    expect(service['volumes']).toEqual([
      {
        type: 'bind',
        // Compose reads `$$` as `$`.
        source: '/data/$$models',
        target: '/models',
        read_only: true,
        bind: { create_host_path: false },
      },
    ]);
    expect(service.command).toContain('/models/mmproj-Qwen2.5-VL-7B-Instruct-f16.gguf');
    expect(service['ports']).toEqual([
      { target: 8080, published: '8080', host_ip: '127.0.0.1', protocol: 'tcp' },
    ]);
  });

  it('takes no word of the arguments for a number or a switch', async () => {
    const { service } = await serviceOn(MACHINES.CPU);
    expect(service.command.every((word) => typeof word === 'string')).toBe(true);
    expect(service.command).toContain('on');
  });

  it('limits memory to the plan, its cache of prompts and a margin', async () => {
    const { service, deployment, plan } = await serviceOn(MACHINES['one NVIDIA card']);
    const host = plan.memory.devices.find(({ id }) => id === 'host')?.peakBytes ?? NaN;
    const cacheMib = Number(service.command[service.command.indexOf('--cache-ram') + 1]);
    expect(Number(service['mem_limit'])).toBe(deployment.memory.limitBytes);
    expect(deployment.memory.limitBytes).toBeGreaterThan(host + cacheMib * 2 ** 20);
  });

  it('puts the gateway in front with a plan and a Dockerfile of its own', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: MACHINES['one NVIDIA card'] });
    const { files, text } = await rendered(plan, ['compose'], { shape: 'gateway' });
    expect(files.map(({ path }) => path)).toEqual([
      'compose.yaml',
      'Dockerfile',
      'plan.container.json',
      'plan.json',
    ]);
    const placed = JSON.parse(text('plan.container.json'));
    expect(placed.files.model.path).toBe('/models/Qwen2.5-VL-7B-Instruct-Q8_0.gguf');
    expect(placed.engine.args).toContain('/models/Qwen2.5-VL-7B-Instruct-Q8_0.gguf');
    // What is copied stays in a layer, and the folder may hold keys.
    expect(text('Dockerfile')).not.toMatch(/^(COPY|ADD) (?!--from)/m);
    expect(text('Dockerfile')).toContain('FROM ghcr.io/ggml-org/llama.cpp:server-cuda-v');
  });

  it('is refused on macOS, with what works there', async () => {
    await expect(serviceOn(MACHINES.Apple)).rejects.toThrow(
      /containers on macOS cannot use the GPU/,
    );
  });
});
