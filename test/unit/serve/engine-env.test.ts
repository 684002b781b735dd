import { expect, test } from 'vitest';
import { engineEnv } from '../../../src/serve/supervisor/engine-env.ts';

test('flags and keys from the environment do not reach the engine; the rest does', () => {
  const env = engineEnv({
    PATH: '/bin',
    CUDA_VISIBLE_DEVICES: '1',
    LLAMA_ARG_CTX_SIZE: '512',
    LLAMA_ARG_N_PARALLEL: '8',
    LLAMA_API_KEY: 'secret',
    LLAMA_CACHE: '/cache',
    NODE_OPTIONS: '--inspect',
    FFREPORT: 'file=/tmp/film.log',
    EMPTY: undefined,
  });
  expect(env).toEqual({
    PATH: '/bin',
    CUDA_VISIBLE_DEVICES: '1',
    LLAMA_CACHE: '/cache',
    GGML_NO_BACKTRACE: '1',
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
  });
});

test('an order of cards that was asked for stays', () => {
  const env = engineEnv({ CUDA_DEVICE_ORDER: 'FASTEST_FIRST' });
  expect(env).toHaveProperty('CUDA_DEVICE_ORDER', 'FASTEST_FIRST');
  expect(engineEnv({ CUDA_DEVICE_ORDER: undefined })).toHaveProperty(
    'CUDA_DEVICE_ORDER',
    'PCI_BUS_ID',
  );
});
