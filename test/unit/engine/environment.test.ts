import { expect, test } from 'vitest';
import { engineEnvironment } from '../../../src/engine/environment.ts';

test('flags and keys from the environment do not reach the engine; the rest does', () => {
  const env = engineEnvironment({
    PATH: '/bin',
    CUDA_VISIBLE_DEVICES: '1',
    LANG: 'de_DE.UTF-8',
    LLAMA_ARG_CTX_SIZE: '512',
    LLAMA_ARG_N_PARALLEL: '8',
    LLAMA_LOG_FILE: '/tmp/log',
    LLAMA_API_KEY: 'secret',
    LLAMA_CACHE: '/cache',
    NODE_OPTIONS: '--inspect',
    FFREPORT: 'file=/tmp/film.log',
    EMPTY: undefined,
  });
  expect(env).toEqual({
    PATH: '/bin',
    CUDA_VISIBLE_DEVICES: '1',
    LANG: 'de_DE.UTF-8',
    LC_ALL: 'C',
    LLAMA_CACHE: '/cache',
    GGML_NO_BACKTRACE: '1',
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
  });
});

test('an order of cards that was asked for stays', () => {
  const orderWith = (order: string | undefined) =>
    engineEnvironment({ CUDA_DEVICE_ORDER: order })['CUDA_DEVICE_ORDER'];
  expect(orderWith('FASTEST_FIRST')).toBe('FASTEST_FIRST');
  expect(orderWith(undefined)).toBe('PCI_BUS_ID');
});
