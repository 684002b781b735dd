import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunResult } from '../process/run.ts';
import { engineEnvironment } from '../engine/environment.ts';
import { makeSocketFolder } from '../serve/supervisor/socket-folder.ts';
import { complaint, linesOf, TIMEOUT_MS } from './context.ts';
import type { ValidatorContext } from './context.ts';
import { checked } from './report.ts';
import type { Report, Skipped } from './report.ts';

/** Flags whose value the engine opens while it reads its arguments. */
const READ_AT_ONCE: Readonly<Record<string, 'file' | 'folder'>> = {
  '--api-key-file': 'file',
  '--chat-template-file': 'file',
  '--grammar-file': 'file',
  '--media-path': 'folder',
  '--slot-save-path': 'folder',
};

/**
 * The engine itself on a command line of ours (without the program's name), twice: with `--help` at the
 * end it reads every argument and stops there; then it is started, with a model that is not there and at
 * a socket of our own, and has to fail for the model's sake. What the plan's other files are is not asked:
 * files that arguments name and that are not here are stood in for. About 60 ms.
 *
 * It takes any number for a port and `12abc` for 12, so a green answer says that flags and kinds of values
 * are right, not that the values are.
 */
export async function llamaServerArgs(
  args: readonly string[],
  ctx: ValidatorContext,
): Promise<Report> {
  const server = ctx.llamaServer;
  if (server === null) return withoutEngine('llama-server arguments');
  const validator = `${await engineName(server, ctx)} arguments`;
  const folder = await mkdtemp(join(tmpdir(), 'mmdeploy-args-'));
  try {
    const stoodIn = await standIns(args, folder);
    const read = await runEngine(server, [...stoodIn, '--help'], ctx);
    if (read.code !== 0) return checked(validator, refusal(read));
    const start = await startWithoutModel(server, stoodIn, folder, ctx);
    return checked(validator, [...remarks(read.stderr), ...start]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export function withoutEngine(validator: string): Skipped {
  return { validator, skipped: 'no llama-server is installed: `mmdeploy engine install`' };
}

/** `llama-server 0.7.0 (build 11669)`. */
export async function engineName(server: string, ctx: ValidatorContext): Promise<string> {
  const { stdout, stderr } = await runEngine(server, ['--version'], ctx);
  const found = /^version: (\S+) \(build (\d+)/m.exec(`${stdout}\n${stderr}`);
  return found === null ? 'llama-server' : `llama-server ${found[1]} (build ${found[2]})`;
}

function runEngine(server: string, args: readonly string[], ctx: ValidatorContext) {
  return ctx.run(server, args, {
    timeoutMs: TIMEOUT_MS,
    signal: ctx.signal,
    env: engineEnvironment(ctx.env),
  });
}

/** The arguments, with what is not on this machine stood in for. */
async function standIns(args: readonly string[], folder: string): Promise<string[]> {
  const result = [...args];
  for (const [index, flag] of args.entries()) {
    const kind = READ_AT_ONCE[flag];
    const value = args[index + 1];
    if (kind === undefined || value === undefined) continue;
    const there = await access(value).then(
      () => true,
      () => false,
    );
    if (there) continue;
    const path = join(folder, `${kind}-${index}`);
    if (kind === 'folder') await mkdir(path);
    else await writeFile(path, 'stand-in\n');
    result[index + 1] = path;
  }
  return result;
}

async function startWithoutModel(
  server: string,
  args: readonly string[],
  folder: string,
  ctx: ValidatorContext,
): Promise<string[]> {
  const socket = await makeSocketFolder(ctx.env);
  if (socket === null) return ['no folder for a socket can be made: it was not started'];
  try {
    const replaced = new Map([
      ['--model', join(folder, 'not-there.gguf')],
      ['--host', socket.socketPath],
    ]);
    const changed = args.map((arg, index) => replaced.get(args[index - 1] ?? '') ?? arg);
    const missing = [...replaced].filter(([flag]) => !args.includes(flag)).flat();
    const started = await runEngine(server, [...changed, ...missing], ctx);
    const failedForModel =
      started.code === 1 && /failed to load model|failed to open GGUF/i.test(started.stderr);
    return failedForModel ? remarks(started.stderr) : refusal(started);
  } finally {
    await socket.remove();
  }
}

/** Arguments that it takes and advises against, as one given twice. */
function remarks(stderr: string): string[] {
  const lines = linesOf(stderr).filter((line) => /DEPRECATED/.test(line));
  return [...new Set(lines.map((line) => line.replace(/^[\d.]+ W\s+/, '')))];
}

/** Its reason, without the help text that follows. */
function refusal(result: RunResult): string[] {
  const said = linesOf(`${result.stderr}\n${result.stdout}`);
  const reasons = said.filter((line) => /^error|^[\d.]+ E /.test(line));
  return reasons.length > 0 ? reasons : complaint(result).slice(-8);
}
