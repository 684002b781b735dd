import { describe, expect, it } from 'vitest';
import { loadEngineCatalogue } from '../../../src/engine/catalogue.ts';
import { engineArgs } from '../../../src/render/parts/argv.ts';
import { doubtHere, missingIn, tooOldHere } from '../../../src/render/parts/engine-flags.ts';
import type { FlagRange } from '../../../src/render/types.ts';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';

const KNOWN: readonly FlagRange[] = [
  { flag: '--new', since: 100 },
  { flag: '--old', since: 1, until: 50 },
  { flag: '--seen', seenIn: 90 },
];

describe('flags that not every build has', () => {
  it.each([
    [100, [], []],
    [99, ['--new'], []],
    [89, ['--new'], ['--seen']],
    [50, ['--new'], ['--seen']],
  ] as const)('of build %i', (build, lacks, unsure) => {
    const missing = missingIn(build, ['--new', '1', '--seen'], KNOWN);
    expect(missing.lacks.map(({ flag }) => flag)).toEqual(lacks);
    expect(missing.unsure.map(({ flag }) => flag)).toEqual(unsure);
  });

  it('are missing after their last build too, and only where they are used', () => {
    expect(missingIn(51, ['--old'], KNOWN).lacks).toHaveLength(1);
    expect(missingIn(50, ['--old'], KNOWN).lacks).toHaveLength(0);
    expect(missingIn(51, ['--other'], KNOWN)).toEqual({ lacks: [], unsure: [] });
  });

  it('are all in the build of the pinned image', async () => {
    const { llamaCpp } = await loadEngineCatalogue();
    const every = llamaCpp.flags.map(({ flag }) => flag);
    const missing = missingIn(llamaCpp.images.build, every, llamaCpp.flags);
    expect(missing).toEqual({ lacks: [], unsure: [] });
  });
});

describe('the engine on the machine of a plan', () => {
  async function deploymentWith(build: number | null) {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: MACHINES.CPU });
    const engine = {
      ...({ name: 'llama.cpp', source: 'path' } as const),
      ...{ path: '/usr/bin/llama-server', version: null, build, devices: [] },
    };
    const engines = build === null ? [] : [engine];
    const made = { ...plan, machine: { ...plan.machine, engines } };
    const { deployment } = await rendered(made, []);
    return { deployment, plan: made };
  }
  const args = (deployment: Awaited<ReturnType<typeof deploymentWith>>['deployment']) =>
    engineArgs(deployment, { folderOf: () => '', host: '', port: 0 });

  it('is refused where it has not a flag for certain, with what has', async () => {
    const { deployment } = await deploymentWith(6000);
    const release = { ...deployment.release, flags: [{ flag: '--cache-ram', since: 7000 }] };
    expect(tooOldHere({ ...deployment, release }, args(deployment))).toEqual({
      reason: 'the llama-server here (build 6000) has no `--cache-ram`: it came with build 7000',
      instead: ['compose', 'quadlet', 'kubernetes'],
    });
    expect(tooOldHere(deployment, args(deployment))).toBeNull();
  });

  it('is named in the script where it is not known whether it has them', async () => {
    const { plan } = await deploymentWith(6000);
    const { text } = await rendered(plan, ['llama-server']);
    expect(text('llama-server.sh')).toMatch(
      /^# The llama-server found here is build 6000: .* --cache-ram, --offline\.$/m,
    );
    const { deployment } = await deploymentWith(11_669);
    expect(doubtHere(deployment, args(deployment))).toBeNull();
    const none = await deploymentWith(null);
    expect(doubtHere(none.deployment, args(none.deployment))).toBeNull();
  });
});

describe('the head of a file', () => {
  it('names the release that it is for', async () => {
    const { llamaCpp, vllm } = await loadEngineCatalogue();
    const gpus = MACHINES['one NVIDIA card'];
    const one = await rendered(await planFor({ model: 'qwen2.5-vl-7b', gpus }), ['compose']);
    const { version, build } = llamaCpp.images;
    expect(one.text('compose.yaml')).toContain(`, for llama.cpp ${version} (build ${build})\n`);
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus, engine: 'vllm' });
    const two = await rendered(plan, ['compose', 'vllm']);
    expect(two.text('compose.yaml')).toContain(`, for vLLM ${vllm.images.version}\n`);
    expect(two.text('compose.yaml')).toContain(`image: vllm/vllm-openai:v${vllm.images.version}\n`);
  });

  it('has no flag of vLLM that its documentation was not read for', async () => {
    const { vllm } = await loadEngineCatalogue();
    const gpus = ['2x A100-80GB'];
    const plan = await planFor({ model: 'internvl2-26b', gpus, engine: 'vllm' });
    const { deployment } = await rendered(plan, []);
    const flags = args(deployment).filter((arg) => arg.startsWith('--'));
    expect(flags.filter((flag) => !vllm.flags.includes(flag))).toEqual([]);
  });
});

const args = (deployment: Parameters<typeof engineArgs>[0]) =>
  engineArgs(deployment, { folderOf: () => '', host: '127.0.0.1', port: 8080 });
