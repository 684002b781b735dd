import type { Machine } from '../contracts/machine.ts';
import type { Candidate, DeploymentPlan, DeviceMemory, ScaleOut } from '../contracts/plan.ts';
import { PARTS } from '../contracts/plan.ts';
import { roomBytes, usableBytes } from '../match/verdict.ts';
import { kvBytesPerToken } from '../plan/slot-files.ts';
import { counted, gib } from '../plan/wording.ts';
import { memoryBars } from './memory-bar.ts';
import { nextStep } from './next-step.ts';
import type { View } from './palette.ts';
import { textTable } from './text-table.ts';

const VERDICT_WORDS = {
  fits: 'Fits',
  tight: 'Tight',
  offload: 'Offload',
  no: 'No fit',
  api: 'API',
} as const;

/** Columns that are assumed where the output is no terminal. */
const PIPE_COLUMNS = 80;

/** The plan as text: machine, verdict, memory by part and device, what else there is. */
export function planText(plan: DeploymentPlan, view: View): string {
  const headline = field(VERDICT_WORDS[plan.verdict], verdictLine(plan), view, plan.verdict);
  if (view.quiet) return headline;
  const lines = [
    field('Machine', machineLine(plan.machine), view),
    field('Model', `${plan.model.name} (${plan.model.id})`, view),
    headline,
    ...plan.reasons.map((reason) => field('', reason, view)),
  ];
  if (plan.memory.devices.length > 0) lines.push('', memoryTable(plan.memory.devices, view));
  const bars = memoryBars(plan.memory.devices, view.boxes === false ? PIPE_COLUMNS : view.boxes);
  if (bars.length > 0) lines.push('', ...bars);
  if (view.explain) lines.push('', ...explanation(plan.memory.devices), ...slotFileLine(plan));
  if (plan.alternatives.length > 0) {
    lines.push('', alternativesTable(plan.alternatives, view));
  }
  if (plan.scaleOut !== undefined) lines.push('', ...scaleOutLines(plan.scaleOut, view));
  if (plan.engine !== null && plan.verdict !== 'no') {
    lines.push('', field('Start', commandLine(plan.engine.name, plan.engine.args), view));
  }
  const next = nextStep(plan);
  if (next !== null) lines.push('', next);
  if (plan.engine !== null && plan.verdict !== 'no') lines.push(orDeploy(plan.machine));
  return lines.join('\n');
}

/** Containers of macOS cannot use its GPU. */
function orDeploy({ gpus }: Machine): string {
  const target = gpus[0]?.vendor === 'apple' ? 'llama-server' : 'compose';
  return `or: this command with \`--target ${target} --write deploy/\` writes the files that deploy it`;
}

/** `1 x NVIDIA RTX 4090, 23.1 of 24.0 GiB free, cuda (node-nvidia-smi)`, or that there is no GPU. */
export function machineLine(machine: Machine): string {
  const ram = machine.memory.limitBytes ?? machine.memory.totalBytes;
  const host = ram === null ? '' : `, ${gib(ram)} of RAM`;
  if (machine.gpus.length === 0) return `no GPU, CPU only${host}   (${machine.origin})`;
  const groups = new Map<string, { count: number; gpu: Machine['gpus'][number] }>();
  for (const gpu of machine.gpus) {
    const key = `${gpu.name} ${gpu.totalBytes ?? ''}`;
    groups.set(key, { count: (groups.get(key)?.count ?? 0) + 1, gpu });
  }
  const cards = [...groups.values()].map(({ count, gpu }) => {
    const free = gpu.freeBytes === null ? '' : `${gib(gpu.freeBytes)} free of `;
    const total = gpu.totalBytes === null ? 'memory unknown' : gib(gpu.totalBytes);
    return `${count} x ${gpu.name}, ${free}${total}${gpu.backend === null ? '' : `, ${gpu.backend}`}`;
  });
  return `${cards.join('; ')}   (${machine.origin})`;
}

function verdictLine(plan: Candidate): string {
  const { settings } = plan;
  if (settings === null) return 'counted and priced by `mmdeploy estimate`';
  const encoder = settings.encoderQuant === null ? '' : `, encoder ${settings.encoderQuant}`;
  return (
    `${settings.quant ?? 'as stored'}${encoder}, ${settings.contextPerSlot} tokens of context, ` +
    `${counted(settings.slots, 'slot')}, KV ${kvTypes(settings)}` +
    (plan.engine === null ? '' : `, ${plan.engine.name}`)
  );
}

/** `f16`, or `q8_0/f16` where K and V differ, and whether the slots share one cache. */
function kvTypes({ kvType, kvTypeV, kvUnified }: NonNullable<Candidate['settings']>): string {
  const types = kvTypeV === undefined || kvTypeV === kvType ? kvType : `${kvType}/${kvTypeV}`;
  return kvUnified === true ? `${types}, shared` : types;
}

function memoryTable(devices: readonly DeviceMemory[], view: View): string {
  const sizeOf = (device: DeviceMemory, part: string) => {
    const item = device.items.find((each) => each.part === part);
    return item === undefined ? '-' : mib(item.bytes);
  };
  const used = PARTS.filter((part) =>
    devices.some(({ items }) => items.some((i) => i.part === part)),
  );
  const basisOf = (part: string) =>
    devices.flatMap(({ items }) => items).find((item) => item.part === part)?.basis ?? '';
  const peakBasis = devices.find((device) => device.peakBasis !== undefined)?.peakBasis ?? '';
  const totals: [string, (device: DeviceMemory) => string, string?][] = [
    ['after load', (device) => mib(device.afterLoadBytes)],
    ['at the largest image', (device) => mib(device.peakBytes), peakBasis],
    ['usable', (device) => optional(usableBytes(device))],
    ['left', (device) => (usableBytes(device) === null ? '?' : mib(roomBytes(device)))],
  ];
  return textTable(
    {
      head: ['MiB', ...devices.map(({ id }) => id), 'basis'],
      align: ['left', ...devices.map(() => 'right' as const), 'left'],
      rows: [
        ...used.map((part) => [part, ...devices.map((d) => sizeOf(d, part)), basisOf(part)]),
        ...totals.map(([label, value, basis = '']) => [
          view.palette.bold(label),
          ...devices.map(value),
          basis,
        ]),
      ],
    },
    view.boxes,
  );
}

function explanation(devices: readonly DeviceMemory[]): string[] {
  return devices.flatMap((device) => [
    `${device.id} (${device.name})`,
    ...device.items.map(
      ({ part, bytes, basis, formula }) =>
        `  ${part.padEnd(16)} ${String(bytes).padStart(14)} B  ${basis.padEnd(9)} ${formula}`,
    ),
  ]);
}

/** An image's tokens, in round figures: what the size of a slot file is shown for. */
const SLOT_FILE_TOKENS = 1024;

/** What `serve` writes to memory besides: the prompt of each recent image or sound, so that it is encoded once. */
function slotFileLine(plan: Candidate): string[] {
  const perToken = kvBytesPerToken(plan);
  if (perToken === null) return [];
  const bytes = Math.round(perToken * SLOT_FILE_TOKENS);
  const formula = `${SLOT_FILE_TOKENS} tokens x ${Math.round(perToken)} B of KV cache`;
  return [`slot file of \`serve\` for each image or sound: ${gib(bytes)} = ${formula}`];
}

/** Resolution, users, context and quality against each other. */
function alternativesTable(alternatives: Candidate['alternatives'], view: View): string {
  return textTable(
    {
      head: ['instead', 'context', 'slots', 'image', 'peak', 'verdict', 'gains', 'gives up'],
      align: ['left', 'right', 'right', 'right', 'right', 'left', 'left', 'left'],
      rows: alternatives.map((each) => [
        each.quant ?? 'as stored',
        String(each.contextPerSlot),
        String(each.slots),
        each.imageMaxTokens === null ? 'any' : `${each.imageMaxTokens} tokens`,
        gib(each.peakBytes),
        each.verdict,
        each.gains.join(', '),
        each.givesUp.join(', ') || 'nothing',
      ]),
    },
    view.boxes,
  );
}

/** What holds it where this machine does not, and how to have its files. */
function scaleOutLines({ why, target, kind }: ScaleOut, view: View): string[] {
  const flags = kind === 'one-node' ? '--engine vllm' : `--target ${target} --write DIR`;
  return [
    field('Outgrown', why, view),
    field(
      '',
      `the same command with \`${flags}\` ${kind === 'one-node' ? 'plans' : 'writes'} it`,
      view,
    ),
  ];
}

function commandLine(engine: string, args: readonly string[]): string {
  const program = engine === 'llama.cpp' ? 'llama-server' : 'vllm';
  return [program, ...args.map(shellWord)].join(' ');
}

/** Quotes for a POSIX shell; `${MODELS_DIR}` stays open for the shell to fill in. */
function shellWord(word: string): string {
  if (/^[\w@%+=:,./${}-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function field(
  label: string,
  text: string,
  { palette }: View,
  verdict?: Candidate['verdict'],
): string {
  const padded = label.padEnd(9);
  if (verdict === undefined) return `${palette.bold(padded)} ${text}`;
  const colour = {
    fits: palette.good,
    tight: palette.warn,
    offload: palette.warn,
    no: palette.bad,
    api: palette.bold,
  };
  return `${colour[verdict](padded)} ${text}`;
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

function optional(bytes: number | null): string {
  return bytes === null ? '?' : mib(bytes);
}
