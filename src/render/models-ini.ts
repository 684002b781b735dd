import { headerComment } from './parts/header.ts';
import { visibleOnHost } from './parts/devices.ts';
import { hostArgs } from './parts/host.ts';
import { shellWord } from './parts/quote.ts';
import { engineAlone, onlyLlamaCpp } from './parts/refusals.ts';
import type { Deployment, Refusal } from './types.ts';
import { defineTarget } from './types.ts';

const FILE = 'models.ini';

/** A preset of llama-server's router, which starts an engine for the model that a request names. */
export const modelsIni = defineTarget({
  id: 'models-ini',
  title: "preset of llama-server's own router",
  refuses: (deployment) =>
    onlyLlamaCpp(deployment) ?? engineAlone(deployment) ?? unspeakable(deployment),
  render: (deployment) => [{ path: FILE, text: preset(deployment), reader: 'router' }],
  start: (deployment) => [startCommand(deployment)],
});

type Key = readonly [name: string, value: string];

function preset(deployment: Deployment): string {
  const lines = keys(deployment).map(([name, value]) => `${name} = ${value}\n`);
  return `${headerComment(deployment)}#
# More models: a section each, by the name that requests call them. The plan counts on one being loaded at a
# time, which is what --models-max 1 says. load-on-startup = true does not wait for the first request.
# The router is for this machine: whoever reaches it can load and unload models.
version = 1

[${alias(deployment)}]
${lines.join('')}`;
}

/** The engine's arguments as keys, but those that the router gives each engine itself. */
function keys(deployment: Deployment): readonly Key[] {
  const own = new Set(['host', 'port', 'alias']);
  return pairs(hostArgs(deployment)).filter(([name]) => !own.has(name));
}

/** Flags with their value; of a switch, that it is on. */
function pairs(args: readonly string[]): readonly Key[] {
  return args.flatMap((arg, index): readonly Key[] => {
    if (!arg.startsWith('--')) return [];
    const next = args[index + 1];
    return [[arg.slice(2), next === undefined || next.startsWith('--') ? 'true' : next]];
  });
}

/** What the engine is called in `/v1/models`: the name of its section. */
function alias({ plan }: Deployment): string {
  return plan.model.id;
}

function startCommand(deployment: Deployment): string {
  const { host, port } = deployment.listen;
  const variables = Object.entries(visibleOnHost(deployment)).map(
    ([name, value]) => `${name}=${value}`,
  );
  const router = ['--models-preset', FILE, '--models-max', '1', '--offline'];
  const words = ['llama-server', ...router, '--host', host, '--port', String(port)];
  return [...variables, ...words].map(shellWord).join(' ');
}

/**
 * A preset has neither quotes nor escapes (llama.cpp, common/preset.cpp): a value ends at `#` and `;`, a name
 * at `]`, and after a colon the router writes names in capitals.
 */
function unspeakable(deployment: Deployment): Refusal | null {
  const name = alias(deployment);
  const value = keys(deployment).find(([, each]) => /[#;\r\n]|^\s|\s$/.test(each));
  const said = /[\]:\r\n]|^\s|\s$|^\*$/.test(name) ? name : value?.[1];
  if (said === undefined) return null;
  const reason = `a preset of the router cannot say ${JSON.stringify(said)}`;
  return { reason, instead: ['llama-server', 'systemd', 'compose'] };
}
