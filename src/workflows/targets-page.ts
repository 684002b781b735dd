import { READERS } from '../deploy/validate.ts';
import { NO_WISHES } from '../match/types.ts';
import { targets } from '../render/index.ts';
import { TARGET_NAMES, type TargetId } from '../render/target-names.ts';
import type { Deployment, Shape, Target } from '../render/types.ts';
import { targetsPage as pageOf, type TargetEntry } from '../report/targets-page.ts';
import type { Context } from './context.ts';
import { deploymentFor } from './render-deployment.ts';
import { planWorkflow } from './plan.ts';

type Kind = {
  readonly kind: string;
  readonly gpu: string;
  readonly engine: 'llama.cpp' | 'vllm';
  readonly shape: Shape;
  /** Whether the page shows what is written for it, or only where it is refused. */
  readonly shown: boolean;
  /** Of another model, and of one target alone: the proposal of several machines. */
  readonly only?: { readonly target: TargetId; readonly model: string };
};

/** Machines by name, so that the page is the same wherever it is made. */
const KINDS: readonly Kind[] = [
  { kind: 'llama.cpp', gpu: 'RTX 4090', engine: 'llama.cpp', shape: 'engine', shown: true },
  {
    kind: 'llama.cpp with `--gateway`',
    gpu: 'RTX 4090',
    engine: 'llama.cpp',
    shape: 'gateway',
    shown: true,
  },
  { kind: 'vLLM', gpu: '2x A100-80GB', engine: 'vllm', shape: 'engine', shown: true },
  {
    kind: 'vLLM over several machines',
    gpu: '8x L4',
    engine: 'vllm',
    shape: 'engine',
    shown: true,
    only: { target: 'lws', model: 'qwen3-vl-235b-a22b' },
  },
  { kind: 'macOS', gpu: 'M2 Max 64GB', engine: 'llama.cpp', shape: 'engine', shown: false },
];
const MODEL = 'qwen2.5-vl-7b';

/** `docs/targets.md`, from the targets themselves: the same on every machine. */
export async function targetsPage(version: string, ctx: Context): Promise<string> {
  const made = await Promise.all(
    KINDS.map(async (kind) => ({ kind, deployment: await deploymentOn(kind, version, ctx) })),
  );
  return pageOf(TARGET_NAMES.map((id) => entryOf(id, made)));
}

async function deploymentOn(
  { gpu, engine, shape, only }: Kind,
  version: string,
  ctx: Context,
): Promise<Deployment> {
  const plan = await planWorkflow(
    {
      model: { name: only?.model ?? MODEL, mmproj: null, profilesDir: null },
      machine: { gpus: [gpu], machineFile: null, profilesDir: null },
      wishes: NO_WISHES,
      requirements: [],
      engine,
    },
    ctx,
  );
  return deploymentFor({
    plan,
    version,
    command: '',
    options: {
      targets: only === undefined ? [] : [only.target],
      shape,
      modelsDir: null,
      listen: { host: '127.0.0.1', port: 8080 },
      cdi: false,
      groups: null,
      monitoring: false,
    },
  });
}

type Made = { readonly kind: Kind; readonly deployment: Deployment };

function entryOf(id: TargetId, all: readonly Made[]): TargetEntry {
  const target: Target = targets[id];
  const made = all.filter(({ kind }) => (kind.only?.target ?? id) === id);
  const refusals = made.flatMap(({ kind, deployment }) => {
    const refusal = target.refuses(deployment);
    return refusal === null ? [] : [`${kind.kind}: ${refusal.reason}`];
  });
  const samples = made
    .filter(({ kind, deployment }) => kind.shown && target.refuses(deployment) === null)
    .map(({ kind, deployment }) => ({
      kind: kind.kind,
      files: target
        .render(deployment)
        .map(({ path, reader }) => ({ path, validator: READERS[reader] })),
      start: target.start(deployment),
    }));
  return { id, title: target.title, samples, refusals };
}
