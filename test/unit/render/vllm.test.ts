import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { vllmHostMemory } from '../../../src/render/parts/vllm-host-memory.ts';
import { GIB } from '../../../src/units.ts';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';

const planned = (gpus: readonly string[], model = 'qwen2.5-vl-7b') =>
  planFor({ model, gpus, engine: 'vllm' });

const valueOf = (args: readonly string[], flag: string) => args[args.indexOf(flag) + 1];

describe('the start script of vLLM', () => {
  it('keeps to the cards of the plan', async () => {
    const mixed = await planned(['RTX 3060 12GB', 'RTX 4090']);
    const { text } = await rendered(mixed, ['vllm']);
    expect(text('vllm.sh')).toContain('\nexport CUDA_VISIBLE_DEVICES=1\n');
    const whole = await rendered(await planned(['L40S']), ['vllm']);
    expect(whole.text('vllm.sh')).not.toContain('VISIBLE_DEVICES');
  });

  it('names the version to install, and asks for no report to be sent', async () => {
    const { text } = await rendered(await planned(['L40S']), ['vllm']);
    expect(text('vllm.sh')).toMatch(/uv tool install vllm==\d+\.\d+\.\d+/);
    expect(text('vllm.sh')).toContain('\nexport VLLM_NO_USAGE_STATS=1\n');
  });

  it('is refused for a plan of llama.cpp, with the command that plans for vLLM', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['L40S'] });
    await expect(rendered(plan, ['vllm'])).rejects.toThrow(
      /the plan is for llama\.cpp: `mmdeploy plan qwen2\.5-vl-7b --gpu L40S --engine vllm`/,
    );
  });

  it('has no gateway in front', async () => {
    await expect(rendered(await planned(['L40S']), ['vllm'], { shape: 'gateway' })).rejects.toThrow(
      /stands in front of llama\.cpp/,
    );
  });
});

describe('vLLM in Docker Compose', () => {
  async function service(gpus: readonly string[]) {
    const { text, deployment } = await rendered(await planned(gpus), ['compose', 'vllm']);
    const project = parse(text('compose.yaml')) as {
      services: Record<string, Record<string, unknown> & { command: string[] }>;
    };
    const [found] = Object.values(project.services);
    if (found === undefined) throw new Error('no service');
    return { found, deployment };
  }

  it.each([
    [MACHINES['two NVIDIA cards'], /^vllm\/vllm-openai:v\d/],
    [MACHINES.AMD, /^vllm\/vllm-openai-rocm:v\d/],
  ])('%s has its image, and folders that it may write', async (gpus, image) => {
    const { found } = await service(gpus);
    expect(found['image']).toMatch(image);
    const environment = found['environment'] as Record<string, string | null>;
    // Null: from the shell that starts it. The file holds no secret.
    expect(environment['HF_TOKEN']).toBeNull();
    for (const folder of ['HOME', 'HF_HOME', 'TORCHINDUCTOR_CACHE_DIR']) {
      expect(environment[folder]).toMatch(/^\/var\/cache\/mmdeploy/);
    }
    expect(found['volumes']).toContainEqual({
      type: 'volume',
      source: 'cache',
      target: '/var/cache/mmdeploy',
    });
  });

  it('limits memory to what is shared, both caches of images and the processes', async () => {
    const { found, deployment } = await service(['L40S']);
    const cache = Number(valueOf(found.command, '--mm-processor-cache-gb'));
    expect(cache).toBe(4);
    expect(Number(found['mem_limit'])).toBeGreaterThan(
      deployment.memory.requestBytes + 2 * cache * GIB,
    );
    expect(deployment.memory.requestBytes).toBeGreaterThan(Number(found['shm_size']));
  });
});

describe('memory of the host for vLLM', () => {
  it('makes the cache smaller for a host that has less, and grows with the GPUs', async () => {
    const plan = await planned(['L40S']);
    const on = (totalBytes: number | null) =>
      vllmHostMemory({
        ...plan,
        machine: { ...plan.machine, memory: { ...plan.machine.memory, totalBytes } },
      });
    expect(on(null).mediaCacheGib).toBe(4);
    expect(on(512 * GIB).mediaCacheGib).toBe(4);
    expect(on(18 * GIB).mediaCacheGib).toBe(1.5);
    expect(on(18 * GIB).limitBytes).toBeLessThanOrEqual(17 * GIB);
    expect(on(8 * GIB).mediaCacheGib).toBe(0);
    const two = await planned(['2x A100-80GB'], 'qwen2.5-vl-72b');
    expect(two.memory.devices).toHaveLength(2);
    expect(vllmHostMemory(two).requestBytes).toBeGreaterThan(on(null).requestBytes);
  });
});
