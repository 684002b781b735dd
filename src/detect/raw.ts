import os from 'node:os';
import type { Host } from './host.ts';
import { masker } from './mask.ts';
import type { Identity } from './mask.ts';
import { METRIC_ARGS, STATIC_ARGS, VERSION_ARGS } from './probes/amd-smi.ts';
import { ROCM_FOLDERS } from './probes/amd.ts';
import { LIMIT_ARGS, MEMORY_ARGS, PROFILER, PROFILER_ARGS } from './probes/apple.ts';
import { DISCOVERY_ARGS, TOOL as XPU_SMI } from './probes/intel.ts';
import {
  CSV_ARGS,
  LIST_ARGS,
  LOG_ARGS,
  nvidiaFolders,
  TOOL as NVIDIA_SMI,
} from './probes/nvidia.ts';
import { ROCM_ARGS } from './probes/rocm-smi.ts';
import { TOOLS } from './probes/tools.ts';

type Capture = {
  readonly tool: string;
  readonly args: readonly string[];
  readonly folders?: readonly string[];
};

/** Every command that detection runs on this platform, in the order in which they are shown. */
export function captureCommands(host: Host): Capture[] {
  const nvidia = [LIST_ARGS, LOG_ARGS, CSV_ARGS].map((args) => ({
    tool: NVIDIA_SMI,
    args,
    folders: nvidiaFolders(host),
  }));
  const amd = [STATIC_ARGS, METRIC_ARGS, VERSION_ARGS].map((args) => ({
    tool: 'amd-smi',
    args,
    folders: ROCM_FOLDERS,
  }));
  const apple = [
    { tool: PROFILER, args: PROFILER_ARGS },
    { tool: 'sysctl', args: MEMORY_ARGS },
    { tool: 'sysctl', args: LIMIT_ARGS },
  ];
  return [
    ...nvidia,
    ...(host.platform === 'darwin' ? apple : amd),
    ...(host.platform === 'darwin'
      ? []
      : [
          { tool: 'rocm-smi', args: ROCM_ARGS, folders: ROCM_FOLDERS },
          { tool: XPU_SMI, args: DISCOVERY_ARGS },
        ]),
    ...TOOLS,
  ];
}

/**
 * What each tool printed, word for word but for the masked identity, framed by the command line and the
 * exit code: a bug report that can be saved as a fixture.
 */
export async function captureRaw(host: Host, identity = identityOf(host)): Promise<string> {
  const mask = masker(identity);
  const blocks = await Promise.all(
    captureCommands(host).map(async ({ tool, args, folders }) => {
      const title = `=== ${[tool, ...args].join(' ')}`;
      const path = await host.find(tool, folders ?? []);
      if (path === null) return `${title}\n(not found)\n`;
      const { code, outcome, stdout, stderr } = await host.run(path, args);
      const end = code === null ? outcome : `exit code ${code}`;
      return `${title}\n(${path}, ${end})\n${part('stdout', stdout)}${part('stderr', stderr)}`;
    }),
  );
  return mask(blocks.join('\n'));
}

function part(name: string, text: string): string {
  if (text === '') return `--- ${name}: empty\n`;
  return `--- ${name}\n${text}${text.endsWith('\n') ? '' : '\n'}`;
}

function identityOf(host: Host): Identity {
  const given = (...names: string[]) =>
    names.map((name) => host.env[name] ?? '').filter((value) => value !== '');
  const host0 = os.hostname();
  return {
    users: given('USER', 'LOGNAME', 'USERNAME', 'SUDO_USER'),
    hosts: [host0, host0.split('.')[0] ?? '', ...given('HOSTNAME', 'COMPUTERNAME')],
    homes: given('HOME', 'USERPROFILE').filter((home) => home !== '/' && home !== '/root'),
  };
}
