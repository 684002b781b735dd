import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import type { CheckResult, TestedServer } from '../../src/serve/selftest/check.ts';
import { CHECKS, runChecks } from '../../src/serve/selftest/run-checks.ts';
import { freshHome } from '../helpers/cli.ts';

const BIN = fileURLToPath(new URL('../../bin/mmdeploy.js', import.meta.url));
const llamaServer = inject('llamaServer');

test.skipIf(llamaServer === null)(
  'serve --demo --selftest: every promise holds, exit 0',
  async () => {
    const env = {
      PATH: process.env['PATH'],
      HOME: freshHome(),
      MMDEPLOY_LLAMA_SERVER: llamaServer ?? '',
    };
    const argv = [BIN, 'serve', '--demo', '--selftest', '-o', 'json'];
    const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>((resolve) => {
      execFile(process.execPath, argv, { env }, (error, out) =>
        resolve({ code: error === null ? 0 : error.code, stdout: out }),
      );
    });
    const results = JSON.parse(stdout) as CheckResult[];
    expect(results.map(({ id, outcome, reason }) => ({ id, outcome, reason }))).toEqual(
      CHECKS.map(({ id }) => ({ id, outcome: 'pass', reason: null })),
    );
    expect(code).toBe(0);
  },
);

describe('a server that keeps no promise', () => {
  /** Answers everything with 200 and the same document, whoever asks. */
  async function careless(modalities: readonly string[]): Promise<TestedServer> {
    const server = createServer((request, response) => {
      response.setHeader('content-type', 'application/json');
      const model = { architecture: { input_modalities: modalities } };
      request.resume().once('end', () => response.end(JSON.stringify({ data: [model] })));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const stop = () => Promise.resolve();
    return { url: `http://127.0.0.1:${port}`, key: 'k', enginePid: () => undefined, stop };
  }

  test('each check that can tell does, and says what it saw', async () => {
    const results = await runChecks(await careless(['text', 'image']), CHECKS, () => undefined);
    const passed = results.filter(({ outcome }) => outcome === 'pass').map(({ id }) => id);
    // It keeps no slots: from outside they look free.
    expect(passed).toEqual(['disconnect-frees-slot']);
    expect(results.find(({ id }) => id === 'key-needed')?.reason).toContain('answered 200');
  });

  test('a model without eyes is not asked about images', async () => {
    const results = await runChecks(await careless(['text']), CHECKS, () => undefined);
    const skipped = results.filter(({ outcome }) => outcome === 'skip').map(({ id }) => id);
    expect(skipped).toEqual(CHECKS.filter((check) => check.needsImages).map(({ id }) => id));
  });
});
