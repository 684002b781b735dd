import { MIB } from '../units.ts';
import { visibleOnHost } from './parts/devices.ts';
import type { HostProgram } from './parts/host.ts';
import { healthUrl, hostPlan, hostProgram } from './parts/host.ts';
import { shellWord, unitWord } from './parts/quote.ts';
import { noSystemd, onlyLlamaCpp } from './parts/refusals.ts';
import { sandbox } from './parts/sandbox.ts';
import { stopSeconds } from './parts/stop-times.ts';
import type { Section, Setting } from './parts/unit.ts';
import { unitText } from './parts/unit.ts';
import { RESTART_SECONDS, unitHead } from './parts/unit-head.ts';
import type { Deployment } from './types.ts';
import { defineTarget } from './types.ts';

/** A system service in systemd's sandbox: the engine, or the gateway that starts it. */
export const systemd = defineTarget({
  id: 'systemd',
  title: 'hardened systemd service',
  refuses: (deployment) => noSystemd(deployment) ?? onlyLlamaCpp(deployment),
  render: (deployment) => [
    {
      path: unitFile(deployment),
      text: unitText(deployment, [head(deployment), service(deployment), INSTALL]),
      reader: 'systemd',
    },
    ...(deployment.shape === 'gateway' ? [hostPlan(deployment)] : []),
  ],
  start: (deployment) => [
    ...(deployment.shape === 'gateway'
      ? [`sudo install -D -m 644 ${hostPlan(deployment).path} ${planPlace(deployment)}`]
      : []),
    `sudo install -m 644 ${unitFile(deployment)} /etc/systemd/system/`,
    `sudo systemctl daemon-reload && sudo systemctl enable --now ${unitFile(deployment)}`,
  ],
});

const INSTALL: Section = { name: 'Install', settings: [['WantedBy', 'multi-user.target']] };

function unitFile({ name }: Deployment): string {
  return `${name}.service`;
}

function planPlace({ name }: Deployment): string {
  return `/etc/mmdeploy/${name}.plan.json`;
}

function head(deployment: Deployment): Section {
  if (deployment.accelerator !== 'nvidia') return unitHead(deployment);
  return unitHead(deployment, { wants: NVIDIA_MODULES, after: ['nvidia-persistenced.service'] });
}

/**
 * `DeviceAllow=char-nvidia*` is looked up in /proc/devices before anything of the unit runs, and stands for
 * nothing until the modules are loaded (systemd.resource-control(5)): without a display that is nobody else's.
 */
const NVIDIA_MODULES = ['modprobe@nvidia.service', 'modprobe@nvidia_uvm.service'];

function service(deployment: Deployment): Section {
  const { name, memory, startSeconds, shape, accelerator } = deployment;
  const { path, args } = program(deployment);
  return {
    name: 'Service',
    settings: [
      ['Type', 'exec'],
      `Another program or more arguments: \`systemctl edit ${name}\`.`,
      ['ExecStart', commandLine([path, ...args])],
      ...(accelerator === 'nvidia' ? DEVICE_NODES : []),
      'Started is what answers.',
      ['ExecStartPost', commandLine(['/bin/sh', '-c', untilHealthy(deployment)])],
      ...environment(deployment),
      ...secrets(deployment),
      ['Restart', 'on-failure'],
      ['RestartSec', RESTART_SECONDS],
      ['TimeoutStartSec', startSeconds],
      // The gateway lets running requests end, and then ends the engine itself.
      ['TimeoutStopSec', stopSeconds(deployment)],
      ['KillMode', shape === 'gateway' ? 'mixed' : 'control-group'],
      ['MemoryMax', `${memory.limitBytes / MIB}M`],
      ['OOMPolicy', 'stop'],
      ['LimitNOFILE', 65_536],
      ...sandbox(deployment),
    ],
  };
}

/** In files that only root reads: a unit is open to everyone. */
function secrets({ name, shape }: Deployment): readonly Setting[] {
  return [
    shape === 'gateway'
      ? `Keys of clients: LoadCredential=keys:FILE and, at the end of ExecStart, --api-key-file \${CREDENTIALS_DIRECTORY}/keys.`
      : 'A key of clients: LLAMA_API_KEY=… in that file, mode 600.',
    ['EnvironmentFile', `-/etc/mmdeploy/${name}.env`],
  ];
}

const DEVICE_NODES: readonly Setting[] = [
  'Makes the device nodes of CUDA, which without a display nothing else has made after a boot.',
  ['ExecStartPre', '-+/usr/bin/nvidia-modprobe -u -c 0'],
];

function program(deployment: Deployment): HostProgram {
  return hostProgram(deployment, planPlace(deployment));
}

function commandLine(words: readonly string[]): string {
  return words.map(unitWord).join(' ');
}

/** Ends when the service answers, or with a failure as soon as its process is gone. */
function untilHealthy(deployment: Deployment): string {
  const asked = `curl -fs -m 4 -o /dev/null ${shellWord(healthUrl(deployment))}`;
  return [
    'command -v curl >/dev/null || exit 0',
    `until ${asked}; do kill -0 "$MAINPID" || exit 1; sleep 2; done`,
  ].join('; ');
}

/** Drivers keep compiled kernels below HOME, and a user made for the moment has none. */
function environment(deployment: Deployment): readonly Setting[] {
  const { name, shape } = deployment;
  const own = `mmdeploy/${name}`;
  const gateway = shape === 'gateway';
  const variables = {
    HOME: `/var/cache/${own}`,
    // An abort would start a debugger where one is installed, and wait for it.
    GGML_NO_BACKTRACE: '1',
    ...(gateway ? { XDG_STATE_HOME: `/var/lib/${own}`, XDG_CACHE_HOME: `/var/cache/${own}` } : {}),
    ...visibleOnHost(deployment),
  };
  return [
    ['CacheDirectory', own],
    ...(gateway ? ([['StateDirectory', own]] as const) : []),
    ...Object.entries(variables).map(([key, value]): Setting => ['Environment', `${key}=${value}`]),
  ];
}
