import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, it } from 'vitest';
import { freshHome } from '../helpers/cli.ts';

const BIN = fileURLToPath(new URL('../../bin/mmdeploy.js', import.meta.url));
const llamaServer = inject('llamaServer');

function environment(): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: freshHome(),
    ...(llamaServer === null ? {} : { MMDEPLOY_LLAMA_SERVER: llamaServer }),
  };
}

type Ended = { code: number | null; stdout: string; stderr: string };

async function mmdeploy(argv: string[], env = environment()): Promise<Ended> {
  const child = spawn(process.execPath, [BIN, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout, stderr };
}

describe('the built program', () => {
  it('is there: `npm run build` comes before the tests', () => {
    const started = new URL('../../dist/app/mmdeploy.js', import.meta.url);
    expect(existsSync(fileURLToPath(started))).toBe(true);
  });

  it('survives a reader that closes early', () => {
    const out = execFileSync(
      'sh',
      ['-c', '"$0" "$1" models -o json | head -c 20; echo', process.execPath, BIN],
      { env: environment(), encoding: 'utf8' },
    );
    expect(out).toMatch(/^\[/);
  });

  it('writes a whole document into a slow pipe', async () => {
    const { code, stdout } = await mmdeploy(['models', '-o', 'json']);
    expect(code).toBe(0);
    expect(Array.isArray(JSON.parse(stdout))).toBe(true);
  });
});

it('draws no boxes and no colour into a pipe', async () => {
  const { code, stdout } = await mmdeploy(['plan', 'llava-1.5-7b', '--gpu', '24GiB']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/weights +\d/);
  expect(stdout).not.toMatch(/[│┌\u001b]/);
});

describe.skipIf(llamaServer === null)('with the real engine', () => {
  it('demo: estimated tokens equal the billed ones, exit 0', async () => {
    const { code, stdout } = await mmdeploy(['demo']);
    expect(code).toBe(0);
    const estimated = /estimated (\d+) prompt tokens/.exec(stdout)?.[1];
    expect(Number(estimated)).toBeGreaterThan(2 * 576);
    expect(stdout.trimEnd().split('\n').pop()).toContain(
      `billed    ${estimated} prompt tokens: equal`,
    );
  });

  it('serve -- COMMAND: runs it against the server and returns its exit code', async () => {
    const script =
      'const r = await fetch(process.env.OPENAI_BASE_URL + "/models"); ' +
      'console.log(r.status); process.exitCode = r.ok ? 7 : 1';
    const { code, stdout, stderr } = await mmdeploy([
      ...['serve', '--demo', '--port', '0', '--'],
      ...[process.execPath, '--input-type=module', '-e', script],
    ]);
    expect(stdout).toBe('200\n');
    expect(stderr).toMatch(/ready in [\d.]+ s at http:\/\/127\.0\.0\.1:\d+/);
    expect(code).toBe(7);
  });
});

// The engine's process is looked up in /proc.
describe.skipIf(llamaServer === null || process.platform !== 'linux')(
  'serve is told to stop',
  () => {
    it('SIGTERM stops serve cleanly, exit 0', async () => {
      const server = await startServe();
      server.child.kill('SIGTERM');
      expect(await server.closed).toBe(0);
      expect(isAlive(server.enginePid)).toBe(false);
    });

    it('kill -9 leaves no llama-server behind', async () => {
      const server = await startServe();
      expect(isAlive(server.enginePid)).toBe(true);
      server.child.kill('SIGKILL');
      await server.closed;
      await expect.poll(() => isAlive(server.enginePid), { timeout: 10_000 }).toBe(false);
    });
  },
);

async function startServe() {
  const child = spawn(process.execPath, [BIN, 'serve', '--demo', '--port', '0'], {
    env: environment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  let log = '';
  const ready = new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (data: Buffer) => {
      log += data.toString();
      if (log.includes('ready in')) resolve();
    });
    child.on('close', () => reject(new Error(`serve ended early: ${log}`)));
  });
  await ready;
  return { child, closed, enginePid: engineOf(child.pid ?? 0) };
}

/** The llama-server below `parent`, read from /proc: named by its executable, whatever wraps it. */
function engineOf(parent: number): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = readProc(pid, 'stat');
    const ppid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    if (ppid === parent && readProc(pid, 'cmdline').includes('llama-server')) return Number(pid);
  }
  throw new Error(`no llama-server below ${parent}`);
}

function readProc(pid: number | string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** A zombie counts as gone: nothing of it runs. */
function isAlive(pid: number): boolean {
  const stat = readProc(pid, 'stat');
  return stat !== '' && stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
}
