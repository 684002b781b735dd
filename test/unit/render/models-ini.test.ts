import { describe, expect, it } from 'vitest';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';
import { nastyPlan } from '../../helpers/nasty-names.ts';

describe('the router preset', () => {
  it('has a section by the name of the model, with every argument but the address', async () => {
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: MACHINES.CPU });
    const { text } = await rendered(plan, ['models-ini'], { modelsDir: '/data/my models' });
    const lines = text('models.ini').split('\n');
    expect(lines).toContain('[llava-1.5-7b]');
    expect(lines).toContainEqual(expect.stringMatching(/^model = \/data\/my models\/\S+\.gguf$/));
    expect(lines).toContain('fit = off');
    expect(lines).toContain('metrics = true');
    expect(lines.filter((line) => /^(host|port|alias) /.test(line))).toEqual([]);
  });

  it('is started for one model at a time, on the cards of the plan', async () => {
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: MACHINES['two NVIDIA cards'] });
    const { start } = await rendered(plan, ['models-ini'], { listen: { host: '::1', port: 9000 } });
    expect(start).toEqual([
      'CUDA_DEVICE_ORDER=PCI_BUS_ID llama-server --models-preset models.ini --models-max 1' +
        ' --offline --host ::1 --port 9000',
    ]);
  });

  it.each([
    ['a hash', '#'],
    ['a semicolon', ';'],
    ['a bracket', ']'],
    ['a colon', ':'],
  ])('is refused for names with %s, which no preset can say', async (_, letter) => {
    await expect(
      rendered(await nastyPlan('#;]:'.replace(letter, '')), ['models-ini']),
    ).rejects.toMatchObject({
      code: 'usage.invalid',
      message: expect.stringContaining('a preset of the router cannot say "'),
      hints: [expect.stringContaining('llama-server')],
    });
  });

  it('is refused for vLLM and for the gateway', async () => {
    const vllm = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['RTX 4090'], engine: 'vllm' });
    await expect(rendered(vllm, ['models-ini'])).rejects.toMatchObject({
      message: expect.stringContaining('the plan is for vLLM'),
    });
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
    await expect(rendered(plan, ['models-ini'], { shape: 'gateway' })).rejects.toMatchObject({
      message: '`--target models-ini`: it starts engines itself: `--gateway` has no place in it',
    });
  });
});
