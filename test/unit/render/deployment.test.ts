import { describe, expect, it } from 'vitest';
import { deploymentOf } from '../../../src/render/deployment.ts';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';

describe('the scale of a deployment', () => {
  it('is one copy on one machine where nothing else is asked for', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: MACHINES['one NVIDIA card'] });
    const { deployment } = await rendered(plan, []);
    expect(deployment.scale).toEqual({ replicas: 1, nodes: 1, tensor: 1, pipeline: 1 });
  });

  it('splits every layer over the GPUs that the plan does', async () => {
    const gpus = MACHINES['two NVIDIA cards'];
    const plan = await planFor({ model: 'qwen2.5-vl-72b', gpus, engine: 'vllm' });
    const { deployment } = await rendered(plan, []);
    expect(deployment.scale).toEqual({ replicas: 1, nodes: 1, tensor: 2, pipeline: 1 });
  });

  it('is the one that is asked for', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: MACHINES['one NVIDIA card'] });
    const { deployment } = await rendered(plan, []);
    const { images, listen, release } = deployment;
    const scale = { replicas: 3, nodes: 2, tensor: 8, pipeline: 2 };
    const options = { shape: 'engine', modelsDir: null, cdi: false, groups: null } as const;
    const origin = { version: 'mmdeploy 0.0.0', command: 'mmdeploy plan' };
    const made = deploymentOf(plan, {
      ...options,
      ...origin,
      listen,
      scale,
      images: () => images,
      architecture: () => null,
      release: () => release,
    });
    expect(made.scale).toEqual(scale);
  });
});
