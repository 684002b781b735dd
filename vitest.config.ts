import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Node 22 warns on stderr where this is set beside NO_COLOR, be it to nothing.
delete process.env['FORCE_COLOR'];

const shared = {
  testTimeout: 30_000,
  hookTimeout: 120_000,
  // Process tests wait on other programs; on a crowded CI machine one may miss its moment. A bug fails twice.
  retry: process.env['CI'] === undefined ? 0 : 1,
  // A developer's own colour or engine settings must not change what the tests see.
  env: { NO_COLOR: '1', MMDEPLOY_LLAMA_SERVER: '' },
};

export default defineConfig({
  test: {
    // Here and not in `shared`, so that it runs once and not for each project.
    globalSetup: ['test/helpers/global-setup.ts'],
    // Vitest leaves a core to itself, so on two it would run one file at a time; a process test mostly waits.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        test: {
          ...shared,
          name: 'in-process',
          include: ['test/{unit,contract}/**/*.test.ts'],
          // Loading our modules anew for each file was half of the time: files share a worker and what it has
          // loaded, so a test must put back what it changes of the process.
          isolate: false,
        },
      },
      { test: { ...shared, name: 'process', include: ['test/process/**/*.test.ts'] } },
    ],
  },
});
