import { afterAll, describe, expect, inject, it } from 'vitest';
import type { EngineName } from '../../src/contracts/basis.ts';
import type { DeploymentPlan } from '../../src/contracts/plan.ts';
import { validateAll } from '../../src/deploy/validate.ts';
import { engineArgs } from '../../src/render/parts/argv.ts';
import { targets } from '../../src/render/index.ts';
import { TARGET_NAMES } from '../../src/render/target-names.ts';
import type { Deployment, Shape, Target } from '../../src/render/types.ts';
import { llamaServerArgs } from '../../src/validators/llama-args.ts';
import { deploymentFor } from '../../src/workflows/render-deployment.ts';
import { ENGINE_ALONE, MACHINES, planFor } from '../helpers/deployments.ts';
import { made, validatorContext } from '../helpers/validators.ts';

// Every target for four models on five machines, each file shown to the program that will read it. What a
// target refuses is refused with a target that works.
const MODELS = ['llava-1.5-7b', 'qwen2.5-vl-7b', 'gemma-3-12b', 'ultravox-8b'];

const missing = Object.entries(inject('validators'))
  .filter(([name, tool]) => name !== 'kubernetes-api' && tool === null)
  .map(([name]) => name);

const seen = { files: 0, refused: 0, readers: new Set<string>(), seconds: performance.now() };
afterAll(() => {
  const seconds = ((performance.now() - seen.seconds) / 1000).toFixed(0);
  const readers = [...seen.readers].sort().join(', ');
  console.log(
    `targets: ${seen.files} files in ${seconds} s, ${seen.refused} pairs refused; read by ${readers}`,
  );
});

async function checkPlan(plan: DeploymentPlan, shape: Shape): Promise<readonly string[]> {
  const options = { ...ENGINE_ALONE, shape, targets: [], groups: null, modelsDir: '/srv/models' };
  const deployment = await deploymentFor({ plan, version: '0.1.0', command: 'mmdeploy', options });
  const problems = await Promise.all(TARGET_NAMES.map((id) => checkTarget(id, deployment)));
  return [...problems.flat(), ...(await checkArguments(deployment))];
}

/** The engine itself on the arguments that every target has. */
async function checkArguments(deployment: Deployment): Promise<readonly string[]> {
  if (deployment.engine !== 'llama.cpp' || inject('llamaServer') === null) return [];
  const place = { folderOf: () => '/models', host: '127.0.0.1', port: 8080 };
  return made(await llamaServerArgs(engineArgs(deployment, place), validatorContext())).findings;
}

async function checkTarget(
  id: (typeof TARGET_NAMES)[number],
  deployment: Deployment,
): Promise<readonly string[]> {
  const target: Target = targets[id];
  const refusal = target.refuses(deployment);
  if (refusal !== null) {
    seen.refused += 1;
    const able = TARGET_NAMES.filter(
      (each) => (targets[each] as Target).refuses(deployment) === null,
    );
    return able.length === 0 ? [`${id} is refused, and nothing else works: ${refusal.reason}`] : [];
  }
  const files = target.render(deployment);
  const validations = await validateAll(files, deployment, validatorContext());
  return validations.flatMap(({ findings, validatedBy }, index) => {
    const path = files[index]?.path ?? '';
    seen.files += 1;
    for (const name of validatedBy?.split(', ') ?? [])
      seen.readers.add(name.replace(/ [\d.-]+/, ''));
    return findings.map((finding) => `${id} ${path}: ${finding}`);
  });
}

describe.skipIf(missing.length > 0)('every target', () => {
  describe.each(Object.entries(MACHINES))('%s', (_, gpus) => {
    it.each(MODELS)('%s', async (model) => {
      const engines: EngineName[] = ['llama.cpp'];
      if (gpus[0].includes('RTX') || gpus[0].includes('A100')) engines.push('vllm');
      for (const engine of engines) {
        const plan = await planFor({ model, gpus, engine });
        expect(plan.verdict).not.toBe('no');
        expect(await checkPlan(plan, 'engine')).toEqual([]);
        if (engine === 'llama.cpp') expect(await checkPlan(plan, 'gateway')).toEqual([]);
      }
    });
  });
});
