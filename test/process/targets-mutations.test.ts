import { describe, expect, inject, it } from 'vitest';
import { validateAll } from '../../src/deploy/validate.ts';
import { targets } from '../../src/render/index.ts';
import { TARGET_NAMES } from '../../src/render/target-names.ts';
import type { Deployment, RenderedFile, Target } from '../../src/render/types.ts';
import { deploymentFor } from '../../src/workflows/render-deployment.ts';
import { ENGINE_ALONE, MACHINES, planFor } from '../helpers/deployments.ts';
import { MUTATION_KINDS, mutationsOf, type Mutation } from '../helpers/mutations.ts';
import { validatorContext } from '../helpers/validators.ts';

// One fault in one file at a time: a typo in a key, a value of another type, a mount that is missing, another
// device. What is written is only as good as what would have been caught.
const MUTANTS = 40;
/** `MMDEPLOY_MUTANTS=all npx vitest run test/process/targets-mutations.test.ts`: every fault that can be made. */
const EVERY = process.env['MMDEPLOY_MUTANTS'] === 'all';

type Sample = { readonly file: RenderedFile; readonly deployment: Deployment; readonly id: string };

async function samples(): Promise<readonly Sample[]> {
  const wanted = [
    { gpus: MACHINES['one NVIDIA card'], engine: 'llama.cpp', shape: 'engine' },
    { gpus: MACHINES.AMD, engine: 'llama.cpp', shape: 'gateway' },
    { gpus: MACHINES['two NVIDIA cards'], engine: 'vllm', shape: 'engine' },
  ] as const;
  const made = await Promise.all(
    wanted.map(async ({ gpus, engine, shape }) => {
      const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus, engine });
      const options = { ...ENGINE_ALONE, shape, targets: [], groups: null };
      return deploymentFor({ plan, version: '0.1.0', command: 'mmdeploy', options });
    }),
  );
  return made.flatMap((deployment) =>
    TARGET_NAMES.flatMap((id) => {
      const target: Target = targets[id];
      if (target.refuses(deployment) !== null) return [];
      return target.render(deployment).map((file) => ({ file, deployment, id }));
    }),
  );
}

/** Evenly over kinds and files: the seed decides which of a file's faults it is. */
function mutants(all: readonly Sample[]): readonly (Sample & { readonly mutation: Mutation })[] {
  const chosen: (Sample & { readonly mutation: Mutation })[] = [];
  const mutable = all
    .map((sample) => ({ sample, faults: mutationsOf(sample.file.reader, sample.file.text) }))
    .filter(({ faults }) => faults.length > 0);
  if (EVERY) {
    return mutable.flatMap(({ sample, faults }) =>
      faults.map((mutation) => ({ ...sample, mutation })),
    );
  }
  for (let seed = 0; chosen.length < MUTANTS; seed++) {
    const kind = MUTATION_KINDS[seed % MUTATION_KINDS.length];
    const able = mutable.filter(({ faults }) => faults.some((each) => each.kind === kind));
    const place = able[Math.floor(random(seed) * able.length)];
    const faults = place?.faults.filter((each) => each.kind === kind) ?? [];
    const mutation = faults[Math.floor(random(seed + 0.5) * faults.length)];
    if (place === undefined || mutation === undefined) throw new Error(`no fault of kind ${kind}`);
    chosen.push({ ...place.sample, mutation });
  }
  return chosen;
}

/** From 0 to 1, the same for the same seed (the fraction of a large sine). */
function random(seed: number): number {
  const value = Math.sin(seed * 12.9898 + 78.233) * 43_758.5453;
  return value - Math.floor(value);
}

const all = await samples();

describe.skipIf(inject('validators')['docker-compose'] === null)(
  'a fault in a written file',
  () => {
    it.each(
      mutants(all).map((each, seed) => [seed, `${each.id}, ${each.file.path}`, each] as const),
    )('%i: %s', async (_, __, { file, deployment, mutation }) => {
      const mutant = { ...file, text: mutation.text };
      const [validation] = await validateAll([mutant], deployment, validatorContext());
      expect(validation?.findings, `${mutation.kind}: ${mutation.what}`).not.toEqual([]);
    });
  },
);
