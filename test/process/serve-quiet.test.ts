import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { mmdeploy } from '../helpers/cli.ts';
import { REAL_ENGINE } from '../helpers/serve-engine.ts';
import { temporaryFolder } from '../helpers/serve-supervisor.ts';

const UNTIL = { timeout: 30_000, interval: 20 };

describe('a COMMAND that cannot be run is found before anything is loaded', () => {
  const never = ['serve', './no-such-model.gguf', '--'];

  test('a program that PATH does not have', async () => {
    const { code, stderr } = await mmdeploy([...never, 'no-such-program', '--flag']);
    expect(code).toBe(5);
    expect(stderr).toMatch(/cannot run `no-such-program`: no such program/);
  });

  test('a file that is not executable, and a folder', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'script'), '#!/bin/sh\n');
    chmodSync(join(folder, 'script'), 0o644);
    const file = await mmdeploy([...never, './script'], { cwd: folder });
    expect(file.stderr).toMatch(/cannot run `\.\/script`: EACCES/);
    expect((await mmdeploy([...never, folder])).stderr).toMatch(/cannot run `\/.*`: EACCES/);
  });

  test('one that can be run is not the trouble', async () => {
    const { stderr } = await mmdeploy([...never, 'sh', '-c', 'exit 3']);
    expect(stderr).toContain('no-such-model.gguf');
  });
});

test('times that are none', async () => {
  for (const flag of ['--stall-timeout', '--idle-unload', '--request-timeout']) {
    const { code, stderr } = await mmdeploy(['serve', '--demo', flag, 'soon']);
    expect(code).toBe(2);
    expect(stderr).toContain(flag);
  }
});

describe.skipIf(REAL_ENGINE === '')('the real llama-server, served with -q', () => {
  test('the ready line alone is printed: with `--port 0` nothing else tells the port', async () => {
    const stop = new AbortController();
    let stderr = '';
    const served = mmdeploy(['serve', '--demo', '-q', '--port', '0', '--gpu', 'none'], {
      extraEnv: { MMDEPLOY_LLAMA_SERVER: REAL_ENGINE },
      signal: stop.signal,
      stderr: (text) => void (stderr += text),
    });
    const url = await vi.waitFor(() => {
      const found = /^ready in [\d.]+ s at (http:\S+)\n$/.exec(stderr)?.[1];
      if (found === undefined) throw new Error(`not ready: ${stderr}`);
      return found;
    }, UNTIL);
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    stop.abort();
    expect((await served).code).toBe(0);
    expect(stderr.split('\n')).toHaveLength(2);
  });

  test('not even that where a command is told by its environment', async () => {
    const out = join(temporaryFolder(), 'url');
    const { code, stderr } = await mmdeploy(
      ['serve', '--demo', '-q', '--port', '0', '--', 'sh', '-c', `echo $OPENAI_BASE_URL > ${out}`],
      { extraEnv: { MMDEPLOY_LLAMA_SERVER: REAL_ENGINE } },
    );
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(readFileSync(out, 'utf8')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1\n$/);
  });
});
