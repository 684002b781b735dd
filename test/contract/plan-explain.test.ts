import { describe, expect, it } from 'vitest';
import { mmdeploy } from '../helpers/cli.ts';

/** Bytes of each part and device as `--explain` prints them. */
function explained(stdout: string): Map<string, number> {
  const sums = new Map<string, number>();
  let device = '';
  for (const line of stdout.split('\n')) {
    device = /^(gpu\d+|host) \(/.exec(line)?.[1] ?? device;
    const bytes = /^ {2}[a-z-]+ +(\d+) B {2}/.exec(line)?.[1];
    if (bytes !== undefined) sums.set(device, (sums.get(device) ?? 0) + Number(bytes));
  }
  return sums;
}

describe('plan --explain', () => {
  it.each([
    ['llava-1.5-7b', ['--gpu', '24GiB']],
    ['qwen3-vl-30b-a3b', ['--gpu', '24GiB', '--cpu-moe']],
    ['gemma-3-4b', ['--gpu', '12GiB', '--users', '3', '--kv-unified']],
    ['kimi-vl-a3b', ['--gpu', '2x 24GiB']],
    ['internvl2-26b', ['--gpu', '24GiB', '--gpu', '16GiB']],
    ['lfm2-vl-1.6b', ['--gpu', '6GiB', '--no-mmproj-offload']],
    ['qwen2.5-vl-7b', ['--gpu', '6GiB', '--gpu-layers', '10']],
  ])('%s %j: the parts of each device sum exactly to its total', async (model, flags) => {
    const argv = ['plan', model, ...flags];
    const json = await mmdeploy([...argv, '-o', 'json']);
    const { stdout } = await mmdeploy([...argv, '--explain']);
    const plan = JSON.parse(json.stdout) as {
      memory: { devices: { id: string; afterLoadBytes: number }[] };
    };
    const totals = plan.memory.devices.map(({ id, afterLoadBytes }) => [id, afterLoadBytes]);
    expect(totals.length).toBeGreaterThan(1);
    expect([...explained(stdout)]).toEqual(totals);
  });

  it('says how large the slot files of `serve` are: LLaVA-1.5-7B keeps 512 KiB a token', async () => {
    const { stdout } = await mmdeploy(['plan', 'llava-1.5-7b', '--gpu', '24GiB', '--explain']);
    expect(stdout).toContain('512 MiB = 1024 tokens x 524288 B of KV cache');
  });
});
