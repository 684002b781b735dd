import { engineArgs } from './parts/argv.ts';
import { visibleOnHost } from './parts/devices.ts';
import { shellWord } from './parts/quote.ts';
import { engineAlone, noShell, onlyLlamaCpp } from './parts/refusals.ts';
import { flagLines } from './parts/script.ts';
import { yamlText } from './parts/yaml.ts';
import type { Deployment, Refusal } from './types.ts';
import { defineTarget } from './types.ts';

const FILE = 'llama-swap.yaml';
/** Seconds without a request after which it gives the memory back: what it is there for. */
const IDLE_SECONDS = 600;
/** Requests that may wait beside those that run, as many as in front of the gateway; more get 429. */
const QUEUE = 64;
/** llama-swap takes no less for a start. */
const LEAST_START_SECONDS = 15;

/** llama-swap, which starts the engine of the model that a request names and stops it again. */
export const llamaSwap = defineTarget({
  id: 'llama-swap',
  title: 'llama-swap, which loads the model on demand',
  refuses: (deployment) =>
    onlyLlamaCpp(deployment) ??
    engineAlone(deployment) ??
    noShell(deployment) ??
    unspeakable(deployment),
  render: (deployment) => [
    { path: FILE, text: yamlText(deployment, [config(deployment)]), reader: 'llama-swap' },
  ],
  start: ({ listen: { host, port } }) => {
    const address = host.includes(':') ? `[${host}]` : host;
    return [`llama-swap --config ${FILE} --listen ${shellWord(`${address}:${port}`)}`];
  },
});

function config(deployment: Deployment): object {
  const { plan, startSeconds } = deployment;
  const { slots = 1, contextPerSlot } = plan.settings ?? {};
  const environment = Object.entries(visibleOnHost(deployment));
  return {
    healthCheckTimeout: Math.max(LEAST_START_SECONDS, startSeconds),
    models: {
      [plan.model.id]: {
        cmd: command(deployment),
        ...(environment.length === 0
          ? {}
          : { env: environment.map(([name, value]) => `${name}=${value}`) }),
        checkEndpoint: '/health',
        ttl: IDLE_SECONDS,
        concurrencyLimit: slots + QUEUE,
        capabilities: {
          in: MODALITIES.filter((each) => plan.model.modalities.includes(each)),
          out: ['text'],
          context: contextPerSlot,
        },
      },
    },
  };
}

/** Those that llama-swap knows. */
const MODALITIES = ['text', 'image', 'audio'] as const;

/** Line breaks are blanks to it. */
function command(deployment: Deployment): string {
  const args = swapArgs(deployment);
  const words = args.map((arg, index) =>
    args[index - 1] === '--port' ? '${PORT}' : swapWord(arg),
  );
  return `${flagLines(words, ['llama-server']).join('\n')}\n`;
}

/** It gives each engine a port of its own, which only itself asks. */
function swapArgs(deployment: Deployment): readonly string[] {
  return engineArgs(deployment, {
    folderOf: ({ folder }) => folder,
    host: '127.0.0.1',
    port: 0,
  });
}

/**
 * A word as llama-swap splits it (internal/config/commands.go): a POSIX shell's quotes, but `${…}` is one of
 * its macros even within them.
 */
function swapWord(word: string): string {
  return shellWord(word).replaceAll('${', () => "$''{");
}

/** Lines that begin with `#` are comments to it even within quotes, and `${env.…}` is a variable everywhere. */
function unspeakable(deployment: Deployment): Refusal | null {
  const id = deployment.plan.model.id;
  const word = id.includes('${env.')
    ? id
    : swapArgs(deployment).find((each) => /[\r\n]/.test(each));
  if (word === undefined) return null;
  const reason = `no command of llama-swap can say ${JSON.stringify(word)}`;
  return { reason, instead: ['llama-server', 'systemd', 'compose'] };
}
