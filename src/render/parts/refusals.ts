import { engineArgs } from './argv.ts';
import { modelMounts } from './container.ts';
import { tooOldHere } from './engine-flags.ts';
import type { Deployment, Refusal } from '../types.ts';
import { shellWord } from './quote.ts';
import { isUnitPath } from './unit.ts';

/** What runs on the host itself, without a container. */
const ON_HOST = ['llama-server', 'models-ini', 'llama-swap'];

const FOR_VLLM = ['compose', 'kubernetes', 'vllm'];

/** Containers: there has to be an image of the engine for these cards. */
export function noImage({ accelerator, engine, images, shape }: Deployment): Refusal | null {
  if (accelerator === 'apple') {
    return { reason: 'containers on macOS cannot use the GPU', instead: ON_HOST };
  }
  if (images.engine === null) {
    const reason = `there is no image of ${engine} for ${accelerator === 'cpu' ? 'CPUs' : accelerator}`;
    return { reason, instead: ['llama-server', 'vllm'] };
  }
  return noGateway({ engine, shape });
}

/** The gateway starts llama-server and nothing else. */
export function noGateway({ engine, shape }: Pick<Deployment, 'engine' | 'shape'>): Refusal | null {
  if (shape === 'engine' || engine === 'llama.cpp') return null;
  return {
    reason: '`--gateway` stands in front of llama.cpp; vLLM has its own queue and cache',
    instead: FOR_VLLM,
  };
}

/** Starts llama-server by its own name or keys: nothing of it is vLLM's. */
export function onlyLlamaCpp(deployment: Deployment): Refusal | null {
  const anywhere = { folderOf: () => '', host: '', port: 0 };
  if (deployment.engine === 'llama.cpp') {
    return tooOldHere(deployment, engineArgs(deployment, anywhere));
  }
  return { reason: 'it starts llama.cpp, and the plan is for vLLM', instead: FOR_VLLM };
}

/** Plans of llama.cpp have other weights and other flags. */
export function onlyVllm(deployment: Deployment): Refusal | null {
  if (deployment.engine === 'vllm') return null;
  return {
    reason: `the plan is for llama.cpp${vllmInstead(deployment)}`,
    instead: ['llama-server', 'compose', 'kubernetes'],
  };
}

/** How the same is planned for vLLM; it is for models that it runs and cards that it has an image for. */
function vllmInstead({ plan: { model, machine }, accelerator }: Deployment): string {
  if (!model.engines.includes('vllm')) return '';
  if (accelerator !== 'nvidia' && accelerator !== 'amd') {
    return ', as vLLM is planned on NVIDIA and AMD cards only';
  }
  const [, asked] = /^what-if: (.*)$/.exec(machine.origin) ?? [];
  const specs = asked === undefined ? [] : asked.split(', ');
  const gpus = specs.map((spec) => ` --gpu ${shellWord(spec)}`).join('');
  return `: \`mmdeploy plan ${model.id}${gpus} --engine vllm\` plans for vLLM`;
}

/** Scripts and words for `sh`: Windows has it in WSL only, and quotes otherwise. */
export function noShell({ plan: { machine } }: Deployment): Refusal | null {
  if (machine.origin !== 'detected' || machine.os.platform !== 'win32') return null;
  const reason = 'what it writes is for a POSIX shell, and this is Windows';
  return { reason, instead: ['models-ini', 'compose'] };
}

/** Units: there has to be systemd, and a place for every path in them. */
export function noSystemd({ accelerator, plan, files, links }: Deployment): Refusal | null {
  const elsewhere = plan.machine.origin === 'detected' && plan.machine.os.platform !== 'linux';
  if (accelerator === 'apple' || elsewhere) {
    return { reason: 'systemd is there on Linux only', instead: ON_HOST };
  }
  const folder = files.find((file) => !isUnitPath(file.folder))?.folder;
  const file = links.flatMap(({ name, real }) => [name, real]).find((each) => !isUnitPath(each));
  const path = folder ?? file;
  if (path === undefined) return null;
  const what = path === folder ? 'folder' : 'file';
  const reason = `no unit can name the ${what} ${JSON.stringify(path)}`;
  return { reason, instead: ['llama-server', 'compose'] };
}

/** `--volume` separates by colons, and knows no quotes. */
export function noColon(deployment: Deployment): Refusal | null {
  const paths = modelMounts(deployment).flatMap(({ source, target }) => [source, target]);
  const path = paths.find((each) => each.includes(':'));
  if (path === undefined) return null;
  const reason = `podman cannot mount \`${path}\`: its name holds a colon`;
  return { reason, instead: ['llama-server', 'systemd', 'compose'] };
}

/** Starts engines by itself, and would have nothing to put the gateway in front of. */
export function engineAlone({ shape }: Deployment): Refusal | null {
  if (shape === 'engine') return null;
  const reason = 'it starts engines itself: `--gateway` has no place in it';
  return { reason, instead: ['llama-server', 'systemd', 'compose'] };
}
