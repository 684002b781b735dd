import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { killGroup, runCommand } from '../../src/process/run.ts';

export type RunningLlama = {
  readonly url: string;
  /** POST with a JSON body; throws with the answer's text on anything but 200. */
  readonly post: (path: string, body: unknown) => Promise<unknown>;
  readonly get: (path: string) => Promise<unknown>;
  readonly stop: () => Promise<void>;
};

const START_TIMEOUT_MS = 60_000;

/** The environment without what llama.cpp would take flags from. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(LLAMA_|NODE_OPTIONS$)/.test(name),
  );
  return { ...Object.fromEntries(kept), GGML_NO_BACKTRACE: '1' };
}

/** Starts a real llama-server on a free loopback port; resolves once it answers. */
export async function startLlama(server: string, args: readonly string[]): Promise<RunningLlama> {
  const child = spawn(server, ['--host', '127.0.0.1', '--port', '0', ...args], {
    detached: process.platform !== 'win32',
    env: plainEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exit = once(child, 'exit');
  const stop = async () => {
    killGroup(child.pid, 'SIGKILL');
    await exit;
  };
  const log: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${why}\n${log.slice(-20).join('\n')}`));
    const timer = setTimeout(() => {
      killGroup(child.pid, 'SIGKILL');
      fail('llama-server did not become ready');
    }, START_TIMEOUT_MS);
    child.on('error', (error) => fail(error.message));
    child.on('exit', () => {
      clearTimeout(timer);
      fail('llama-server exited');
    });
    // Read to the end: an unread pipe would stop the server.
    createInterface({ input: child.stderr }).on('line', (line) => {
      log.push(line);
      const found = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    });
  });
  const answer = async (response: Response): Promise<unknown> => {
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return response.json();
  };
  return {
    url,
    post: async (path, body) =>
      answer(
        await fetch(url + path, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      ),
    get: async (path) => answer(await fetch(url + path)),
    stop,
  };
}

/** Token ids that the real llama-tokenize beside `server` gives for `text`, taken literally or parsed. */
export async function llamaTokenize(
  server: string,
  model: string,
  text: string,
  options: { readonly addSpecial: boolean; readonly parseSpecial: boolean },
): Promise<number[]> {
  const flags = [
    ...(options.addSpecial ? [] : ['--no-bos']),
    ...(options.parseSpecial ? [] : ['--no-parse-special']),
  ];
  const result = await runCommand(
    join(dirname(server), 'llama-tokenize'),
    ['-m', model, '--stdin', '--ids', '--no-escape', '--log-disable', ...flags],
    { timeoutMs: 30_000, env: plainEnvironment(), input: text },
  );
  const ids = /^\[[\d, ]*\]/m.exec(result.stdout)?.[0];
  if (result.code !== 0 || ids === undefined) {
    throw new Error(
      `llama-tokenize: ${result.outcome} ${result.code}: ${result.stderr.slice(-500)}`,
    );
  }
  return JSON.parse(ids) as number[];
}
