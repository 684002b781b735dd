import type { EngineName } from '../../src/contracts/basis.ts';
import type { DeploymentPlan } from '../../src/contracts/plan.ts';
import { NO_WISHES, type Wishes } from '../../src/match/types.ts';
import type { TargetId } from '../../src/render/target-names.ts';
import type { Deployment } from '../../src/render/types.ts';
import type { DeployRequest } from '../../src/workflows/deploy.ts';
import { render, type TargetFile } from '../../src/workflows/render-deployment.ts';
import { planWorkflow } from '../../src/workflows/plan.ts';
import { createContext } from '../../src/workflows/create-context.ts';

/** The five kinds of machine that every target is tried on, as `--gpu` takes them. */
export const MACHINES = {
  'one NVIDIA card': ['RTX 4090'],
  'two NVIDIA cards': ['2x A100-80GB'],
  AMD: ['Radeon RX 7900 XTX'],
  Apple: ['M2 Max 64GB'],
  CPU: ['none'],
} as const;

export type PlanWanted = {
  readonly model: string;
  readonly mmproj?: string;
  readonly gpus: readonly string[];
  readonly engine?: EngineName;
  readonly wishes?: Partial<Wishes>;
};

/** A plan as `mmdeploy plan` makes it. */
export function planFor({
  model,
  gpus,
  engine,
  mmproj,
  wishes,
}: PlanWanted): Promise<DeploymentPlan> {
  return planWorkflow(
    {
      model: { name: model, mmproj: mmproj ?? null, profilesDir: null },
      machine: { gpus, machineFile: null, profilesDir: null },
      wishes: { ...NO_WISHES, ...wishes },
      requirements: [],
      engine: engine ?? 'auto',
    },
    // Nothing that an earlier run has learnt of this machine.
    createContext({ env: { HOME: '/nonexistent' }, cwd: '/' }),
  );
}

export const ENGINE_ALONE: DeployRequest['options'] = {
  shape: 'engine',
  modelsDir: null,
  listen: { host: '127.0.0.1', port: 8080 },
  cdi: false,
  monitoring: false,
};

export type Rendered = {
  readonly deployment: Deployment;
  readonly files: readonly TargetFile[];
  /** Text of the file with this name; throws where there is none. */
  readonly text: (path: string) => string;
  /** Commands that start it. */
  readonly start: readonly string[];
};

/** The files of a plan for `targets`, in memory. */
export async function rendered(
  plan: DeploymentPlan,
  targets: readonly TargetId[],
  options: Partial<DeployRequest['options']> & Partial<Pick<Deployment, 'groups' | 'links'>> = {},
): Promise<Rendered> {
  const { deployment, files, start } = await render({
    plan,
    targets,
    options: { ...ENGINE_ALONE, groups: null, ...options, targets: [...targets] },
    version: '0.1.0',
    command: 'mmdeploy plan',
  });
  const text = (path: string) => {
    const file = files.find((each) => each.path === path);
    if (file === undefined) throw new Error(`no ${path} among ${files.map((f) => f.path).join()}`);
    return file.text;
  };
  return { deployment, files, text, start: start.flatMap(({ commands }) => commands) };
}
