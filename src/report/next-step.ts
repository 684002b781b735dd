import type { Candidate } from '../contracts/plan.ts';
import { DEFAULT_UBATCH } from '../memory/types.ts';
import { filesToGet } from '../plan/missing-files.ts';

type Planned = Pick<Candidate, 'model' | 'files' | 'settings' | 'verdict' | 'engine'>;
type Settings = NonNullable<Candidate['settings']>;

/**
 * What to do with a plan: the command that serves just it, after the files that are not here have been
 * fetched or made. Null where the plan does not fit: its reasons say what would.
 */
export function nextStep(plan: Planned): string | null {
  const { engine, settings, verdict, model } = plan;
  if (verdict === 'no') return null;
  if (settings === null || engine === null) {
    return `next: \`mmdeploy estimate FILES --model ${model.id}\` counts and prices`;
  }
  if (engine.name !== 'llama.cpp') return 'next: run the line above where vLLM is installed';
  const files = [plan.files.model, plan.files.mmproj].filter((file) => file !== null);
  const { fetch, make, names } = filesToGet(files);
  const [weights = null, projector] = names;
  const serve = [
    ...['mmdeploy', 'serve', weights ?? './MODEL.gguf'],
    ...(projector === undefined ? [] : ['--mmproj', projector ?? './MMPROJ.gguf']),
    ...settingFlags(settings, plan),
  ].join(' ');
  const steps = [
    ...[...fetch, ...make].map((command) => `\`${command}\``),
    ...(names.includes(null) ? ['make or find the files that the warnings name'] : []),
    `\`${serve}\``,
  ];
  return steps.map((step, index) => `${index === 0 ? 'next' : 'then'}: ${step}`).join('\n');
}

/** The settings of a plan as flags, without those that `serve` would choose by itself. */
function settingFlags(settings: Settings, { engine, verdict }: Planned): string[] {
  const args = engine?.args ?? [];
  const split = args[args.indexOf('--tensor-split') + 1];
  const { kvType, kvTypeV, ubatch, gpuLayers, imageMaxTokens, cpuMoeLayers = 0 } = settings;
  const given = (wanted: boolean, ...flags: string[]) => (wanted ? flags : []);
  return [
    ...['--context', String(settings.contextPerSlot), '--slots', String(settings.slots)],
    ...given(kvType !== 'f16', '--kv-type', kvType),
    ...given(kvTypeV !== undefined && kvTypeV !== kvType, '--kv-type-v', kvTypeV ?? ''),
    ...given(settings.kvUnified === true, '--kv-unified'),
    ...given(settings.swaFull === true, '--swa-full'),
    ...given(settings.flashAttention === false, '--flash-attn', 'off'),
    ...given(ubatch !== DEFAULT_UBATCH, '--ubatch', String(ubatch)),
    ...given(verdict === 'offload' && gpuLayers > 0, '--gpu-layers', String(gpuLayers)),
    ...given(args.includes('--tensor-split'), '--tensor-split', split ?? ''),
    ...given(cpuMoeLayers > 0, '--n-cpu-moe', String(cpuMoeLayers)),
    ...given(args.includes('--no-mmproj-offload'), '--no-mmproj-offload'),
    ...given(imageMaxTokens !== null, '--image-max-tokens', String(imageMaxTokens)),
  ];
}
