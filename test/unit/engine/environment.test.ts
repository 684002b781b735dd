import { expect, test } from 'vitest';
import { engineEnvironment } from '../../../src/engine/environment.ts';

test('what is asked of an engine has its settings from the command line only, in plain English', () => {
  expect(
    engineEnvironment({
      PATH: '/bin',
      CUDA_VISIBLE_DEVICES: '1',
      LANG: 'de_DE.UTF-8',
      LLAMA_ARG_CTX_SIZE: '512',
      LLAMA_API_KEY: 'secret',
      EMPTY: undefined,
    }),
  ).toEqual({
    PATH: '/bin',
    CUDA_VISIBLE_DEVICES: '1',
    LANG: 'de_DE.UTF-8',
    LC_ALL: 'C',
    GGML_NO_BACKTRACE: '1',
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
  });
});

test('an order of cards that was asked for stays', () => {
  const env = engineEnvironment({ CUDA_DEVICE_ORDER: 'FASTEST_FIRST' });
  expect(env).toHaveProperty('CUDA_DEVICE_ORDER', 'FASTEST_FIRST');
});
