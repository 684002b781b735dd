import { describe, expect, test, vi } from 'vitest';
import { NO_RELIEF, type Relief } from '../../src/serve/relief.ts';
import type { ReliefOptions } from '../../src/serve/supervisor/options.ts';
import { fakeEngine, supervise } from '../helpers/serve-supervisor.ts';

const UNTIL = { timeout: 20_000, interval: 10 };
const ARGS = '--mmproj p.gguf --ctx-size 8192 --parallel 2'.split(' ');
const CUDA =
  'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 620.31 MiB on device 0: cudaMalloc failed: out of memory';
const VULKAN = [
  'ggml_vulkan: Device memory allocation of size 1037832192 failed.',
  'ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory',
].join('|');

function lacking(enough: string, words: string, when = 'load', initial: Relief = NO_RELIEF) {
  const remembered: Relief[] = [];
  const relief: ReliefOptions = {
    scope: {
      flags: ['--no-mmproj-offload', '--image-max-tokens'],
      imageTokens: { largest: 1024, least: 256 },
    },
    initial,
    remember: (step) => {
      remembered.push(step);
      return Promise.resolve();
    },
  };
  const env = {
    ...process.env,
    FAKE_ENOUGH: enough,
    FAKE_MEMORY_WORDS: words,
    FAKE_WHEN: when,
  };
  const supervised = supervise(
    fakeEngine('out-of-memory'),
    { args: ARGS, env },
    { relief, watch: { stallMs: 60_000, silenceMs: 2000 } },
  );
  return { ...supervised, remembered };
}

const onCpu = { ...NO_RELIEF, encoderOnCpu: true };

describe('out of memory while loading', () => {
  test('CUDA: the encoder goes to the CPU', async () => {
    const { supervisor, phases, remembered } = lacking('--no-mmproj-offload', CUDA);
    await supervisor.start();
    expect(remembered).toEqual([onCpu]);
    expect(supervisor.settings.relief).toEqual(onCpu);
    expect(phases.map(({ kind }) => kind)).toEqual(['loading', 'relieved', 'loading', 'ready']);
  });

  test('Vulkan: that is not enough, images get half the tokens, and half of that', async () => {
    const { supervisor, remembered } = lacking('--image-max-tokens 256', VULKAN);
    await supervisor.start();
    expect(remembered).toEqual([
      onCpu,
      { ...onCpu, imageMaxTokens: 512 },
      { ...onCpu, imageMaxTokens: 256 },
    ]);
  });

  test('then half the slots, of the same context each', async () => {
    const { supervisor, readLog } = lacking('--ctx-size 4096 --parallel 1', CUDA);
    await supervisor.start();
    expect(supervisor.settings.relief).toEqual({
      encoderOnCpu: true,
      imageMaxTokens: 256,
      slots: 1,
    });
    // The file is written beside the start.
    await vi.waitFor(() => expect(readLog().match(/^argv/gm)).toHaveLength(5), UNTIL);
  });

  test('with nothing left to give up it is the failure it always was', async () => {
    const { supervisor, remembered } = lacking('--nothing-helps', CUDA);
    await expect(supervisor.start()).rejects.toMatchObject({
      code: 'engine.start',
      message: expect.stringContaining('ran out of memory') as string,
    });
    expect(remembered).toHaveLength(4);
  });

  test('another failure is no reason to give anything up', async () => {
    const { supervisor, remembered } = lacking('--no-mmproj-offload', 'error: something else');
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'engine.start' });
    expect(remembered).toEqual([]);
  });

  test('what an earlier run found out is used from the first start', async () => {
    const { supervisor, phases } = lacking('--no-mmproj-offload', CUDA, 'load', onCpu);
    await supervisor.start();
    expect(phases.map(({ kind }) => kind)).toEqual(['loading', 'ready']);
  });
});

describe('out of memory at a request', () => {
  const chat = {
    path: '/v1/chat/completions',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"messages":[]}',
  } as const;

  test('an engine that dies of it is started with less at once; the crash is not counted', async () => {
    const { supervisor, phases } = lacking('--image-max-tokens 256', CUDA, 'chat');
    await supervisor.start();
    for (const step of [1, 2, 3]) {
      const engine = await supervisor.whenReady(new AbortController().signal);
      await expect(engine.request(chat)).rejects.toThrow();
      await vi.waitFor(() => expect(supervisor.life).toBe(step + 1), UNTIL);
    }
    const engine = await supervisor.whenReady(new AbortController().signal);
    const answer = await engine.request(chat);
    expect(answer.statusCode).toBe(200);
    await answer.body.dump();
    const crashes = phases.filter((phase) => phase.kind === 'crashed');
    // The policy of these tests gives up at the third crash that counts.
    expect(crashes).toHaveLength(3);
    expect(crashes.every(({ relieved, restartInMs }) => relieved && restartInMs === 0)).toBe(true);
  });

  test('an engine that survives it is started with less as soon as it is idle', async () => {
    const clip = 'clip_encode: failed to allocate compute graph';
    const { supervisor, phases } = lacking('--no-mmproj-offload', clip, 'survive');
    await supervisor.start();
    const answer = await supervisor.engine?.request(chat);
    expect(answer?.statusCode).toBe(500);
    await answer?.body.dump();
    await vi.waitFor(() => expect(supervisor.life).toBe(2), UNTIL);
    expect(supervisor.settings.relief).toEqual(onCpu);
    expect(phases.map(({ kind }) => kind)).toEqual([
      'loading',
      'ready',
      'relieved',
      'loading',
      'ready',
    ]);
  });
});
