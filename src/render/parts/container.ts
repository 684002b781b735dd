import type { DeployedFile, Deployment, RenderedFile } from '../types.ts';
import { engineArgs } from './argv.ts';
import { gatewayArgs } from './gateway.ts';
import { placedPlan } from './placed-plan.ts';

/** Inside a container every engine listens here: what is published outside is the target's business. */
export const CONTAINER_PORT = 8080;
const LISTEN = { host: '0.0.0.0', port: CONTAINER_PORT };

/** Where vLLM keeps what it fetches and compiles, and the gateway what it prepared: a volume. */
export const CACHE_DIR = '/var/cache/mmdeploy';
const GATEWAY_PLAN = '/etc/mmdeploy/plan.json';

export type Mount = { readonly source: string; readonly target: string };

/**
 * What containers mount of the model, read-only: its folders, so that shards are there too, and each file
 * by itself where a folder holds links.
 */
export function modelMounts(deployment: Deployment): readonly Mount[] {
  return modelFolders(deployment).flatMap((folder) => {
    const links = deployment.links.filter((link) => link.folder === folder.source);
    if (links.length === 0) return [folder];
    return links.map(({ name, real }) => ({ source: real, target: `${folder.target}/${name}` }));
  });
}

/** The folders of the model's files, and where each is inside a container. */
export function modelFolders({ files }: Deployment): readonly Mount[] {
  const folders = [...new Set(files.map(({ folder }) => folder))];
  return folders.map((source, index) => ({ source, target: inContainer(index) }));
}

function inContainer(index: number): string {
  return index === 0 ? '/models' : '/projector';
}

/** Folder of a file inside a container. */
export function containerFolder({
  files,
}: Deployment): (file: Pick<DeployedFile, 'folder'>) => string {
  const folders = [...new Set(files.map(({ folder }) => folder))];
  return ({ folder }) => inContainer(folders.indexOf(folder));
}

export type ContainerProcess = {
  readonly image: string;
  /** The program; stated because images change their own. */
  readonly entrypoint: readonly string[];
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Answers with exit code 0 once requests are served. */
  readonly health: readonly string[];
  /** Folders that have to outlive the container. */
  readonly caches: readonly string[];
};

/**
 * The image's own home is read-only, and `/tmp` of a container need not let run what PyTorch compiles. vLLM
 * reports its use to its authors unless it is told not to (docs/usage/usage_stats.md).
 */
const VLLM_ENVIRONMENT = {
  HOME: CACHE_DIR,
  HF_HOME: `${CACHE_DIR}/huggingface`,
  TORCHINDUCTOR_CACHE_DIR: `${CACHE_DIR}/torchinductor`,
  VLLM_NO_USAGE_STATS: '1',
};

/** What runs in the container, the same for every kind of container. */
export function containerProcess(deployment: Deployment): ContainerProcess {
  const { engine, shape, images } = deployment;
  const args = engineArgs(deployment, { folderOf: containerFolder(deployment), ...LISTEN });
  const url = `http://127.0.0.1:${CONTAINER_PORT}`;
  if (engine === 'vllm') {
    const probe = `import urllib.request as r; r.urlopen('${url}/health', timeout=4)`;
    return {
      image: images.engine ?? '',
      entrypoint: ['vllm'],
      args,
      environment: VLLM_ENVIRONMENT,
      health: ['python3', '-c', probe],
      caches: [CACHE_DIR],
    };
  }
  if (shape === 'engine') {
    const health = ['curl', '-fsS', `${url}/health`];
    const entrypoint = [images.program];
    return { image: images.engine ?? '', entrypoint, args, environment: {}, health, caches: [] };
  }
  return {
    image: images.gateway,
    entrypoint: ['mmdeploy'],
    args: [
      ...gatewayArgs(deployment, { plan: GATEWAY_PLAN, llamaServer: images.program, ...LISTEN }),
      ...['--cache-dir', CACHE_DIR],
    ],
    environment: { HOME: CACHE_DIR },
    health: ['curl', '-fsS', `${url}/ready`],
    caches: [CACHE_DIR],
  };
}

/** The plan that `mmdeploy serve` reads inside the container, and where it is mounted. */
export function gatewayPlan(deployment: Deployment): { file: RenderedFile; target: string } {
  const placed = { folderOf: containerFolder(deployment), ...LISTEN };
  return { file: placedPlan(deployment, 'plan.container.json', placed), target: GATEWAY_PLAN };
}
