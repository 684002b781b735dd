import type { ModelFile } from '../../contracts/model.ts';
import { hubFile } from '../../plan/files.ts';
import type { DeployedFile, Deployment, RenderedFile } from '../types.ts';
import { engineArgs, type Placed } from './argv.ts';
import { gatewayArgs } from './gateway.ts';
import { placedPath, placedPlan } from './placed-plan.ts';
import { shellWord } from './quote.ts';

/** On the host the files stay where they are, and clients connect to the engine itself. */
function onHost({ listen }: Deployment): Placed {
  return { ...listen, folderOf: ({ folder }) => folder };
}

export function hostArgs(deployment: Deployment): string[] {
  return engineArgs(deployment, onHost(deployment));
}

/** The plan that `mmdeploy serve` reads on the host itself. */
export function hostPlan(deployment: Deployment): RenderedFile {
  return placedPlan(deployment, 'plan.host.json', onHost(deployment));
}

export type HostProgram = { readonly path: string; readonly args: readonly string[] };

/** Where an administrator puts what no package owns; npm's global programs are linked there, too. */
const PROGRAMS = '/usr/local/bin';

/** What a service runs: programs by their whole path. `plan` is where it finds the plan of the gateway. */
export function hostProgram(deployment: Deployment, plan: string): HostProgram {
  const engine = enginePath(deployment);
  if (deployment.shape === 'engine') return { path: engine, args: hostArgs(deployment) };
  const args = gatewayArgs(deployment, { plan, llamaServer: engine, ...deployment.listen });
  return { path: `${PROGRAMS}/mmdeploy`, args: [...args, '--log', '-'] };
}

/** The engine that was found on this machine, where users other than its owner can run it. */
function enginePath({ plan: { machine } }: Deployment): string {
  const found = machine.origin === 'detected' ? machine.engines[0]?.path : undefined;
  const shared = found !== undefined && !PRIVATE.test(found);
  return shared ? found : `${PROGRAMS}/llama-server`;
}

const PRIVATE = /^(?!\/)|^\/(?:home|root|run\/user|tmp|var\/tmp)\//;

/** Answers 200 once requests are served, without a key. */
export function healthUrl({ shape, listen: { host, port } }: Deployment): string {
  const own = new Map([
    ['0.0.0.0', '127.0.0.1'],
    ['::', '::1'],
  ]);
  const address = own.get(host) ?? host;
  const name = address.includes(':') ? `[${address}]` : address;
  return `http://${name}:${port}${shape === 'gateway' ? '/ready' : '/health'}`;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

export type HostFile = {
  readonly path: string;
  /** Brings it there; null where nobody is known to publish it. */
  readonly bring: {
    readonly what: 'fetch' | 'make';
    readonly command: string;
    /** What the command makes lies elsewhere, and is to be put there. */
    readonly elsewhere: boolean;
  } | null;
};

/** The model's files on the host, and where each comes from. */
export function hostFiles(deployment: Deployment): readonly HostFile[] {
  const { model, mmproj } = deployment.plan.files;
  const planned = [model, mmproj].filter((file) => file !== null);
  return deployment.files.map((file, index) => {
    const path = placedPath(file, onHost(deployment));
    return { path, bring: bring(file, path, planned[index]?.make) };
  });
}

function bring({ source }: DeployedFile, path: string, make: ModelFile['make']): HostFile['bring'] {
  if (make !== undefined) {
    return { what: 'make', command: make.command, elsewhere: make.output !== path };
  }
  const published = hubFile(source);
  if (published === null) return null;
  const words = ['curl', '-fL', '--create-dirs', '-o', path, published.url];
  return { what: 'fetch', command: words.map(shellWord).join(' '), elsewhere: false };
}

/** What to do about a file, as one sentence for the person who reads that it is missing. */
export function remedy({ bring: how }: HostFile): string {
  return how === null
    ? 'put it there: nobody is known to publish it'
    : `${how.what} it${how.elsewhere ? ', and put it there' : ''}: ${how.command}`;
}
