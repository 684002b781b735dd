import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    dir: 'test',
    include: ['**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Process tests wait on other programs; on a crowded CI machine one may miss its moment. A bug fails twice.
    retry: process.env['CI'] === undefined ? 0 : 1,
    // A developer's own colour or engine settings must not change what the tests see.
    env: { NO_COLOR: '1', FORCE_COLOR: '', MMDEPLOY_LLAMA_SERVER: '' },
  },
});
