import { MmdeployError } from '../errors.ts';
import { compose } from './compose.ts';
import { k8sJob } from './k8s-job.ts';
import { kserve } from './kserve.ts';
import { kubernetes } from './kubernetes.ts';
import { llamaServer } from './llama-server.ts';
import { llamaSwap } from './llama-swap.ts';
import { lws } from './lws.ts';
import { modelsIni } from './models-ini.ts';
import { quadlet } from './quadlet.ts';
import { systemd } from './systemd.ts';
import type { Deployment, RenderedFile, Target } from './types.ts';
import { TARGET_NAMES, type TargetId } from './target-names.ts';
import { vllm } from './vllm.ts';

/** Every target by its name. */
export const targets = {
  'llama-server': llamaServer,
  'models-ini': modelsIni,
  compose,
  systemd,
  quadlet,
  kubernetes,
  vllm,
  'llama-swap': llamaSwap,
  kserve,
  lws,
  'k8s-job': k8sJob,
} as const satisfies Record<TargetId, Target>;

/** The files of one target. Throws `usage.invalid` for a pair that cannot be, with the targets that can. */
export function renderTarget(id: TargetId, deployment: Deployment): readonly RenderedFile[] {
  const target: Target = targets[id];
  const refusal = target.refuses(deployment);
  if (refusal === null) return target.render(deployment);
  const able = TARGET_NAMES.filter(
    (each) => (targets[each] as Target).refuses(deployment) === null,
  );
  const instead = refusal.instead.filter((each) => able.some((other) => other === each));
  throw new MmdeployError('usage.invalid', `\`--target ${id}\`: ${refusal.reason}`, {
    hints: [`what works here: \`--target ${(instead.length > 0 ? instead : able).join(',')}\``],
  });
}
