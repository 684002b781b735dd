import { expect, it } from 'vitest';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';

/** Seconds that a model is given to start, as its health check says. */
async function startPeriod(model: string): Promise<number> {
  const plan = await planFor({ model, gpus: MACHINES['two NVIDIA cards'], engine: 'llama.cpp' });
  const { text } = await rendered(plan, ['compose']);
  return Number(/start_period: (\d+)s/.exec(text('compose.yaml'))?.[1]);
}

it('gives a large model longer to start than a small one: its weights, over a slow disk', async () => {
  const [small, large] = [await startPeriod('qwen2.5-vl-3b'), await startPeriod('qwen2.5-vl-72b')];
  const bytes = async (model: string) => {
    const plan = await planFor({ model, gpus: MACHINES['two NVIDIA cards'], engine: 'llama.cpp' });
    const items = plan.memory.devices.flatMap((device) => device.items);
    const weights = items.filter(({ part }) => part === 'weights' || part === 'encoder-weights');
    return weights.reduce((sum, item) => sum + item.bytes, 0);
  };
  const atLeast = ((await bytes('qwen2.5-vl-72b')) - (await bytes('qwen2.5-vl-3b'))) / 100e6;
  expect(small).toBeGreaterThan(120);
  expect(large - small).toBeGreaterThan(atLeast - 30);
  expect(large - small).toBeLessThan(atLeast + 30);
});
