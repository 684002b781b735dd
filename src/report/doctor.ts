import type { EngineFound, Gpu, Machine, Probe } from '../contracts/machine.ts';
import { counted, gib } from '../plan/wording.ts';
import type { Palette } from './palette.ts';
import { textTable } from './text-table.ts';

export type DoctorView = {
  readonly palette: Palette;
  /** Boxes around tables: for a terminal only. */
  readonly boxes: number | false;
};

/** Programs that are not probes of GPUs, and what they are for. */
const TOOL_USES: Readonly<Record<string, string>> = {
  docker: 'containers',
  podman: 'containers',
  ffmpeg: 'WebP and video input of llama-server',
  ffprobe: 'reads video and audio files',
  git: 'version control',
};

/** The machine for people: system, GPUs, engines, tools, and what to do about what is wrong. */
export function doctorText(machine: Machine, view: DoctorView): string {
  const tools = machine.probes.filter((probe) => probe.tool in TOOL_USES);
  const probes = machine.probes.filter((probe) => !(probe.tool in TOOL_USES));
  const sections = [
    systemLines(machine),
    gpuLines(machine, view),
    engineLines(machine.engines, view),
    ['Tools', ...tools.map((probe) => `  ${toolLine(probe, view)}`)],
    ['Probes', ...probes.map((probe) => `  ${toolLine(probe, view)}`)],
    machine.warnings.map((warning) => view.palette.warn(`warning: ${warning}`)),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function systemLines({ os, cpu, memory }: Machine): string[] {
  const where =
    os.virtualisation === null ? '' : ` (${WHERE[os.virtualisation] ?? os.virtualisation})`;
  const kernel = os.kernel === null ? '' : `, kernel ${os.kernel}`;
  return [
    `System   ${os.distribution ?? os.platform}, ${os.arch}${kernel}${where}`,
    `CPU      ${cpu.model ?? 'unknown model'}, ${coresText(cpu)}`,
    `Memory   ${memoryText(memory)}`,
  ];
}

const WHERE: Readonly<Record<string, string>> = {
  wsl: 'WSL',
  container: 'in a container',
  vm: 'in a virtual machine',
};

function coresText(cpu: Machine['cpu']): string {
  const physical = cpu.physicalCores === null ? null : counted(cpu.physicalCores, 'core');
  const logical = cpu.logicalCores === null ? null : counted(cpu.logicalCores, 'thread');
  const known = [physical, logical].filter((text) => text !== null).join(', ');
  const limited = cpu.usableCores !== null && cpu.usableCores !== cpu.logicalCores;
  const usable = limited ? `usable here: ${Math.round((cpu.usableCores ?? 0) * 100) / 100}` : '';
  return [known === '' ? 'number of cores unknown' : known, usable]
    .filter((text) => text !== '')
    .join('; ');
}

function memoryText(memory: Machine['memory']): string {
  const total = memory.totalBytes === null ? 'unknown' : gib(memory.totalBytes);
  const limit = memory.limitBytes === null ? '' : `, limited to ${gib(memory.limitBytes)} (cgroup)`;
  const available =
    memory.availableBytes === null ? '' : `, ${gib(memory.availableBytes)} available`;
  return `${total}${limit}${available}`;
}

function gpuLines(machine: Machine, view: DoctorView): string[] {
  if (machine.gpus.length === 0) {
    const hidden =
      machine.os.virtualisation === 'container'
        ? ['  a container sees GPUs only when it is started with them (`docker run --gpus all`)']
        : [];
    return [`No GPU found: ${whyNone(machine.probes)}; llama.cpp runs on the CPU only`, ...hidden];
  }
  const rows = machine.gpus.map((gpu) => [
    gpu.id,
    gpu.mig === null ? gpu.name : `${gpu.name} MIG ${gpu.mig.profile}`,
    bytesText(gpu.totalBytes),
    bytesText(gpu.freeBytes),
    gpu.memoryKind.replace('_', ' '),
    versionsText(gpu),
    gpu.backend ?? 'none',
    gpu.source,
  ]);
  const head = ['GPU', 'Name', 'Memory', 'Free', 'Kind', 'Driver', 'Backend', 'Seen by'];
  const align = ['left', 'left', 'right', 'right'] as const;
  return [textTable({ head, rows, align: [...align] }, view.boxes)];
}

const bytesText = (bytes: number | null) => (bytes === null ? 'unknown' : gib(bytes));

function versionsText(gpu: Gpu): string {
  const runtime = gpu.backend === 'cuda' ? 'CUDA ' : gpu.backend === 'rocm' ? 'ROCm ' : '';
  const parts = [
    gpu.driverVersion,
    gpu.runtimeVersion === null ? null : `${runtime}${gpu.runtimeVersion}`,
    gpu.computeCapability === null ? null : `arch ${gpu.computeCapability}`,
  ].filter((part) => part !== null);
  return parts.length === 0 ? 'unknown' : parts.join(', ');
}

/** A broken tool explains more than the missing ones. */
function whyNone(probes: readonly Probe[]): string {
  const gpuTools = probes.filter(
    ({ tool }) => !(tool in TOOL_USES) && tool !== 'systeminformation',
  );
  const broken = gpuTools.filter(({ status }) => status === 'failed' || status === 'timeout');
  if (broken.length > 0) {
    return broken
      .map(({ tool, status }) => `${tool} ${status === 'timeout' ? 'did not answer' : 'failed'}`)
      .join(', ');
  }
  if (gpuTools.some(({ status }) => status === 'ok'))
    return 'the driver lists none for this process';
  const missing = gpuTools.map(({ tool }) => tool).join(', ');
  return missing === '' ? 'no probe ran' : `${missing} not installed`;
}

function engineLines(engines: readonly EngineFound[], view: DoctorView): string[] {
  if (engines.length === 0) {
    return [
      'Engines',
      `  ${view.palette.warn('none')}: install one with \`mmdeploy engine install\``,
    ];
  }
  return [
    'Engines',
    ...engines.map(({ name, path, version, build, devices, source }) => {
      const which = [version, build === null ? null : `build ${build}`].filter(Boolean).join(', ');
      const on =
        devices.length === 0
          ? 'CPU only'
          : devices.map(({ id, name: gpu }) => `${id} ${gpu}`).join(', ');
      return `  ${name} ${which === '' ? 'version unknown' : which}: ${path} (${source}); ${on}`;
    }),
  ];
}

const WORDS = {
  ok: 'ok',
  missing: 'missing',
  failed: 'failed',
  timeout: 'no answer',
  skipped: 'skipped',
};

function toolLine({ tool, status, version, detail }: Probe, view: DoctorView): string {
  const paint =
    status === 'ok'
      ? view.palette.good
      : status === 'missing'
        ? view.palette.dim
        : view.palette.bad;
  const use = status === 'missing' && TOOL_USES[tool] !== undefined ? ` (${TOOL_USES[tool]})` : '';
  const said = [version, detail].filter((text) => text !== null && text !== '').join(': ');
  return `${tool.padEnd(18)} ${paint(WORDS[status])}${use}${said === '' ? '' : `  ${said}`}`;
}
