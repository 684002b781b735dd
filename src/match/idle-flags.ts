import type { ModelDescription } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import { hasExperts, windowSize } from '../layout/layer-kinds.ts';
import { takesImageCap } from './launch.ts';
import type { Resources, Wishes } from './types.ts';
import { NO_WISHES } from './types.ts';

/**
 * One line for each flag that changes nothing for this model on this machine: whoever gave it expects
 * that it does.
 */
export function idleFlags(model: ModelDescription, resources: Resources, wishes: Wishes): string[] {
  const { text, encoder } = model;
  const lines: [idle: boolean, line: string][] = [
    [
      wishes.cpuMoeLayers > 0 &&
        text !== null &&
        !text.kvHeads.some((_, at) => hasExperts(text, at)),
      `\`--cpu-moe\` changes nothing: \`${model.id}\` has no experts`,
    ],
    [
      wishes.swaFull && text !== null && windowSize(text) === 0,
      `\`--swa-full\` changes nothing: no layer of \`${model.id}\` has a sliding window`,
    ],
    [
      wishes.encoderOnCpu && encoder === null,
      '`--no-mmproj-offload` changes nothing: there is no projector',
    ],
    [
      wishes.imageMaxTokens !== null && !takesImageCap(model),
      `\`--image-max-tokens ${wishes.imageMaxTokens ?? ''}\` changes nothing: ` +
        (encoder === null
          ? 'there is no projector'
          : `images of \`${model.id}\` cost what their tiles cost, whatever the cap`),
    ],
    ...(resources.gpus.length > 0 ? [] : withoutGpu(wishes)),
  ];
  return lines.flatMap(([idle, line]) => (idle ? [line] : []));
}

function withoutGpu(wishes: Wishes): [boolean, string][] {
  const idle = (given: boolean, flag: string): [boolean, string] => [
    given,
    `\`${flag}\` changes nothing: no GPU takes part`,
  ];
  const { gpuLayers, cpuMoeLayers, encoderOnCpu } = wishes;
  return [
    idle(
      gpuLayers !== null && gpuLayers > 0,
      `--gpu-layers ${String(gpuLayers).replace('Infinity', 'all')}`,
    ),
    idle(cpuMoeLayers > 0, '--cpu-moe'),
    idle(encoderOnCpu, '--no-mmproj-offload'),
  ];
}

/** Throws `usage.invalid` where `--tensor-split` has not one share for each GPU. */
export function checkShares({ gpus }: Resources, { tensorSplit }: Wishes): void {
  if (tensorSplit === null || tensorSplit.length === gpus.length) return;
  const text = `--tensor-split ${tensorSplit.join(',')}`;
  const count = gpus.length === 0 ? 'no GPU' : `${gpus.length} GPU${gpus.length > 1 ? 's' : ''}`;
  const equal = gpus.map(() => 1).join(',');
  throw new MmdeployError(
    'usage.invalid',
    `\`${text}\` has ${tensorSplit.length} shares, and the machine has ${count}`,
    {
      hints: [
        gpus.length < 2
          ? 'leave `--tensor-split` out: it shares the layers among several GPUs'
          : `give one number for each GPU, as in \`--tensor-split ${equal}\``,
      ],
    },
  );
}

/** Flags by the wish that they fill; what a workload needs can be asked of any model. */
const FLAGS: readonly (readonly [wish: keyof Wishes, flag: string])[] = [
  ['quant', '--quant'],
  ['encoderQuant', '--encoder-quant'],
  ['contextPerSlot', '--context'],
  ['slots', '--slots'],
  ['kvType', '--kv-type'],
  ['kvTypeV', '--kv-type-v'],
  ['unifiedKv', '--kv-unified'],
  ['swaFull', '--swa-full'],
  ['flashAttention', '--flash-attn'],
  ['ubatch', '--ubatch'],
  ['gpuLayers', '--gpu-layers'],
  ['cpuMoeLayers', '--cpu-moe'],
  ['encoderOnCpu', '--no-mmproj-offload'],
  ['tensorSplit', '--tensor-split'],
  ['imageMaxTokens', '--image-max-tokens'],
];

/** Throws `usage.invalid` where an engine's settings are asked for a model that its vendor runs. */
export function refuseSettings({ id }: Pick<ModelDescription, 'id'>, wishes: Wishes): void {
  const given = FLAGS.filter(([wish]) => wishes[wish] !== NO_WISHES[wish]).map(([, flag]) => flag);
  if (given.length === 0) return;
  const named = given.map((flag) => `\`${flag}\``).join(', ');
  throw new MmdeployError('usage.invalid', `${named}: \`${id}\` runs at its vendor`, {
    hints: [
      `leave ${given.length === 1 ? 'it' : 'them'} out: \`mmdeploy estimate --model ${id}\` counts and prices`,
    ],
  });
}
