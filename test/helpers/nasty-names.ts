import { mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeDemoModel } from '../../src/demo/model.ts';
import type { DeploymentPlan } from '../../src/contracts/plan.ts';
import { planFor } from './deployments.ts';
import { temporaryFolder } from './serve-supervisor.ts';

/** What users and their systems put into names, each a trap for another reader. */
const NAME = `it's "5 %h" $HOME \${PORT} \`id\` {{x}} #1; a=b:c, [é] ~&|<>*?! \\t`;

/** A plan for files that are there and whose names, folder and model have all of it but the letters in `without`. */
export async function nastyPlan(without = ''): Promise<DeploymentPlan> {
  let name = NAME;
  for (const letter of without) name = name.replaceAll(letter, '');
  const folder = join(temporaryFolder(), name);
  mkdirSync(folder);
  const files = await writeDemoModel(join(dirname(folder), 'demo'));
  const model = join(folder, `${name}.gguf`);
  const mmproj = join(folder, `mmproj ${name}.gguf`);
  renameSync(files.model, model);
  renameSync(files.mmproj, mmproj);
  return planFor({ model, mmproj, gpus: ['none'], wishes: { contextPerSlot: 4096, slots: 2 } });
}
