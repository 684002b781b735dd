import { describe, expect, it } from 'vitest';
import { gpuMemoryReader, parseGpuMemory } from '../../../../src/serve/observe/gpu-memory.ts';
import { GIB, MIB } from '../../../../src/units.ts';

const ROWS = '0, 512, 24576, NVIDIA GeForce RTX 4090\n1, 0, 24576, NVIDIA GeForce RTX 4090\n';

function reader(stdout: () => string, path: string | null = '/usr/bin/nvidia-smi') {
  let runs = 0;
  let time = 0;
  const host = {
    env: {},
    platform: 'linux',
    find: () => Promise.resolve(path),
    run: () => {
      runs += 1;
      return Promise.resolve({ code: 0, stdout: stdout(), stderr: '', outcome: 'exited' } as const);
    },
  } as const;
  const clock = (ms: number) => (time += ms);
  return { read: gpuMemoryReader(host, () => time), wait: clock, runs: () => runs };
}

describe('memory of GPUs', () => {
  it('is read in MiB', () => {
    expect(parseGpuMemory(ROWS)[0]).toEqual({
      index: 0,
      name: 'NVIDIA GeForce RTX 4090',
      usedBytes: 512 * MIB,
      totalBytes: 24 * GIB,
    });
  });

  it('leaves out what does not tell, and what is no row', () => {
    expect(parseGpuMemory('0, [N/A], [N/A], NVIDIA GB10\nNVIDIA-SMI has failed\n\n')).toEqual([]);
  });

  it('is asked about every 15 s at most, and told from memory meanwhile', async () => {
    let text = ROWS;
    const { read, wait, runs } = reader(() => text);
    const gpus = await read;
    expect(await gpus?.()).toHaveLength(2);
    text = '';
    wait(14_999);
    expect(await gpus?.()).toHaveLength(2);
    expect(runs()).toBe(1);
    wait(1);
    await gpus?.();
    expect(runs()).toBe(2);
    await expect.poll(() => gpus?.()).toHaveLength(0);
  });

  it('is unknown without nvidia-smi', async () => {
    expect(await reader(() => '', null).read).toBeNull();
  });
});
