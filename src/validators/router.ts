import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import { chooseOrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { makeSocketFolder } from '../serve/supervisor/socket-folder.ts';
import { startChild } from '../simulate/child.ts';
import { linesOf, TIMEOUT_MS } from './context.ts';
import type { ValidatorContext } from './context.ts';
import { engineName, llamaServerArgs, withoutEngine } from './llama-args.ts';
import { checked, wasSkipped } from './report.ts';
import type { Report } from './report.ts';

const modelsSchema = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      status: z.object({ value: z.string(), args: z.array(z.string()).optional() }),
    }),
  ),
});

/** The arguments that the router starts each model with, by the model's name; without the program's. */
export type RouterReport = Report & {
  readonly models: Readonly<Record<string, readonly string[]>>;
};

/**
 * A real router on a `models.ini`: it refuses keys that it does not know, and `GET /models` says which
 * arguments it made of the others. Those go through `llamaServerArgs`, because it does not look at values
 * before it starts a model. It reads a copy that loads nothing at start-up: a check is no reason to load a model.
 */
export async function routerPreset(
  file: string,
  ctx: ValidatorContext & { readonly platform: NodeJS.Platform },
): Promise<RouterReport> {
  const server = ctx.llamaServer;
  if (server === null) return { ...withoutEngine('llama-server router'), models: {} };
  const validator = `${await engineName(server, ctx)} router`;
  const answer = await withIdleCopy(file, (copy) => askRouter(server, copy, ctx));
  if (typeof answer === 'string') return { ...checked(validator, [answer]), models: {} };
  const models = Object.fromEntries(
    answer.data.map(({ id, status }) => [id, (status.args ?? []).slice(1)]),
  );
  const findings: string[] = answer.data.length === 0 ? ['it lists no model'] : [];
  findings.push(...(await oddSwitches(file, Object.values(models).flat())));
  for (const { id, status } of answer.data) {
    if (status.value !== 'unloaded')
      findings.push(`[${id}] is ${status.value} though nobody asked`);
  }
  for (const [id, args] of Object.entries(models)) {
    const report = await llamaServerArgs(args, ctx);
    if (!wasSkipped(report)) findings.push(...report.findings.map((line) => `[${id}] ${line}`));
  }
  return { ...checked(validator, findings), models };
}

/** The router takes any word but its own for "off" as "on": what a switch is set to has to say which. */
async function oddSwitches(file: string, args: readonly string[]): Promise<string[]> {
  const switches = args.filter(
    (arg, index) => arg.startsWith('--') && args[index + 1]?.startsWith('--') !== false,
  );
  const names = new Set(switches.map((flag) => flag.replace(/^--(no-)?/, '')));
  const lines = (await readFile(file, 'utf8')).matchAll(/^[ \t]*([\w-]+)[ \t]*=[ \t]*([^\s#;]*)/gm);
  return [...lines]
    .filter(([, name = '', value = '']) => names.has(name) && !/^(true|false|on|off)$/.test(value))
    .map(([line]) => `\`${line.trim()}\`: true or false is wanted`);
}

type Models = z.infer<typeof modelsSchema>;

const AT_START = /^([ \t]*load-on-startup[ \t]*=[ \t]*)([^\s#;]*)/gm;

/** `work` on a copy of the preset that loads no model by itself; a string says why there is none. */
async function withIdleCopy(
  file: string,
  work: (copy: string) => Promise<Models | string>,
): Promise<Models | string> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return 'it cannot be read';
  const odd = [...text.matchAll(AT_START)].find(
    ([, , value]) => !/^(true|false)$/.test(value ?? ''),
  );
  if (odd !== undefined) return `\`${odd[0].trim()}\`: true or false is wanted`;
  const folder = await mkdtemp(join(tmpdir(), 'mmdeploy-preset-'));
  try {
    const copy = join(folder, basename(file));
    await writeFile(copy, text.replaceAll(AT_START, '$1false'));
    return await work(copy);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What `GET /models` answers; a string says why nothing does. */
async function askRouter(
  server: string,
  file: string,
  ctx: ValidatorContext & { readonly platform: NodeJS.Platform },
): Promise<Models | string> {
  const guard = await chooseOrphanGuard(ctx.run, ctx.platform);
  const socket = await makeSocketFolder(ctx.env);
  if (socket === null) return 'no folder for a socket can be made: the router was not started';
  const { socketPath } = socket;
  const args = ['--models-preset', file, '--host', socketPath, '--offline'];
  let log = '';
  let heard = () => {};
  const listening = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const child = startChild({ file: server, args, env: ctx.env, guard }, (text) => {
    log += text;
    if (log.includes('listening on')) heard();
  });
  const stop = AbortSignal.any([ctx.signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const stopped = new Promise<void>((resolve) => {
    stop.addEventListener('abort', () => resolve(), { once: true });
  });
  try {
    await Promise.race([listening, child.gone, stopped]);
    if (child.isGone() || stop.aborted) return reason(log);
    return await getModels(socketPath, stop);
  } catch (error) {
    return `its list of models cannot be read: ${messageOf(error)}`;
  } finally {
    await child.kill();
    await socket.remove();
  }
}

async function getModels(socketPath: string, signal: AbortSignal): Promise<Models> {
  const { Client } = await import('undici');
  const client = new Client('http://router', { socketPath });
  try {
    const { body } = await client.request({ method: 'GET', path: '/models', signal });
    return modelsSchema.parse(await body.json());
  } finally {
    await client.destroy();
  }
}

/** The last error of its log, else its last line. */
function reason(log: string): string {
  const lines = linesOf(log);
  const line = lines.findLast((text) => /^[\d.]+ E |^error/.test(text)) ?? lines.at(-1);
  return line?.replace(/^[\d.]+ E\s+/, '') ?? 'the router says nothing and does not listen';
}
