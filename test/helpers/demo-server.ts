import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freshHome } from './cli.ts';

const BIN = fileURLToPath(new URL('../../bin/mmdeploy.js', import.meta.url));

export type DemoServer = {
  readonly child: ChildProcess;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
  readonly url: string;
};

/** The real command, `serve --demo` with the real engine and one key, on a free port. */
export async function startDemoServer(llamaServer: string, key: string): Promise<DemoServer> {
  const home = freshHome();
  const keys = join(home, 'keys');
  writeFileSync(keys, `${key}\n`);
  const child = spawn(
    process.execPath,
    [BIN, 'serve', '--demo', '--port', '0', '--api-key-file', keys],
    {
      env: { PATH: process.env['PATH'], HOME: home, MMDEPLOY_LLAMA_SERVER: llamaServer },
      stdio: ['ignore', 'inherit', 'pipe'],
    },
  );
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, ended, url: await readyUrl(child) };
}

async function readyUrl(child: ChildProcess): Promise<string> {
  if (child.stderr === null) throw new Error('stderr is a pipe');
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line);
    const url = /^ready .* at (\S+)$/.exec(line)?.[1];
    if (url === undefined) continue;
    child.stderr.resume();
    return url;
  }
  throw new Error(`it ended before it was ready:\n${said.join('\n')}`);
}
