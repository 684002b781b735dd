import { MmdeployError, nearest } from '../errors.ts';

/** Names of `--target`, in the order in which help and docs/targets.md list them. */
export const TARGET_NAMES = [
  'llama-server',
  'models-ini',
  'compose',
  'systemd',
  'quadlet',
  'kubernetes',
  'vllm',
  'llama-swap',
  'kserve',
  'lws',
  'k8s-job',
] as const;

export type TargetId = (typeof TARGET_NAMES)[number];

/** Names that scripts may already use and that no release has. */
const LATER_TARGETS = ['llm-d', 'slurm', 'parallel', 'skypilot', 'ollama', 'launchd'] as const;

/** `--target a,b` as ids. Throws `usage.invalid` for a name that is none, with the nearest. */
export function targetIds(text: string): readonly TargetId[] {
  const names = [...new Set(text.split(',').map((name) => name.trim().toLowerCase()))];
  return names.map((name) => {
    const id = TARGET_NAMES.find((each) => each === name);
    if (id !== undefined) return id;
    if (LATER_TARGETS.some((each) => each === name)) throw notYet(name);
    const near = nearest(name, TARGET_NAMES).map((each) => `\`${each}\``);
    throw new MmdeployError('usage.invalid', `\`--target ${name}\`: no such target`, {
      hints: [
        ...(near.length > 0 ? [`did you mean ${near.join(', ')}?`] : []),
        `there are ${TARGET_NAMES.join(', ')}`,
      ],
    });
  });
}

function notYet(name: string): MmdeployError {
  return new MmdeployError('usage.not-yet', `\`--target ${name}\` is not there yet`, {
    hints: [`there are ${TARGET_NAMES.join(', ')}`],
  });
}
