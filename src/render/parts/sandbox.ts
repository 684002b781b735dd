import type { Deployment } from '../types.ts';
import type { Mount } from './container.ts';
import { isLoopback } from './host.ts';
import type { Setting } from './unit.ts';
import { unitPathWord } from './unit.ts';

/**
 * What a service of systemd may do (systemd.exec(5)): run, read its model, compute and listen. Not
 * `MemoryDenyWriteExecute=`: GPU drivers, ggml's backends and V8 compile code at run time.
 */
export function sandbox(deployment: Deployment): readonly Setting[] {
  return [
    ['DynamicUser', 'yes'],
    ...devices(deployment),
    ...folders(deployment),
    ...network(deployment),
    ...capabilities(deployment),
    ...SAME_FOR_ALL,
  ];
}

const SAME_FOR_ALL: readonly Setting[] = [
  ['NoNewPrivileges', 'yes'],
  ['ProtectSystem', 'strict'],
  ['PrivateTmp', 'yes'],
  ['ProtectKernelTunables', 'yes'],
  ['ProtectKernelModules', 'yes'],
  ['ProtectKernelLogs', 'yes'],
  ['ProtectControlGroups', 'yes'],
  ['ProtectClock', 'yes'],
  ['ProtectHostname', 'yes'],
  ['ProtectProc', 'invisible'],
  ['RestrictNamespaces', 'yes'],
  ['RestrictRealtime', 'yes'],
  ['RestrictSUIDSGID', 'yes'],
  ['LockPersonality', 'yes'],
  ['SystemCallArchitectures', 'native'],
  ['SystemCallFilter', '@system-service'],
  ['SystemCallErrorNumber', 'EPERM'],
  ['UMask', '0077'],
];

/** The nodes of the plan's kind of card and no others. */
function devices({ accelerator, gpus }: Deployment): readonly Setting[] {
  if (accelerator === 'cpu') return [['PrivateDevices', 'yes']];
  const nvidia = accelerator === 'nvidia';
  const render = !nvidia || gpus.some(({ backend }) => backend === 'vulkan');
  return [
    ['DevicePolicy', 'closed'],
    // nvidia, nvidiactl or nvidia-frontend, nvidia-uvm, nvidia-caps: which there are depends on the driver.
    // `m` for nvidia-modprobe, which is of the unit, too; the service itself has no CAP_MKNOD.
    ...(nvidia ? ([['DeviceAllow', 'char-nvidia* rwm']] as const) : []),
    ...(accelerator === 'amd' ? ([['DeviceAllow', '/dev/kfd rw']] as const) : []),
    ...(render
      ? ([
          ['DeviceAllow', 'char-drm rw'],
          ['SupplementaryGroups', 'video render'],
        ] as const)
      : []),
  ];
}

const HOMES = /^\/(?:home|root|run\/user)(?:\/|$)/;
const TEMPORARY = /^\/(?:var\/)?tmp(?:\/|$)/;

/** Homes and temporary files of others are hidden, but for the model's folders and what its links lead to. */
function folders(deployment: Deployment): readonly Setting[] {
  const bound = [...new Set(deployment.files.map(({ folder }) => folder))].flatMap((folder) =>
    boundOf(folder, deployment),
  );
  return [
    ['ProtectHome', bound.some(({ target }) => HOMES.test(target)) ? 'tmpfs' : 'yes'],
    ...bound.map(({ source, target }): Setting => [
      'BindReadOnlyPaths',
      source === target ? unitPathWord(source) : `${unitPathWord(source)}:${unitPathWord(target)}`,
    ]),
  ];
}

/** In a folder that is hidden each file takes the place of its link; in others links stay what they are. */
function boundOf(folder: string, { links }: Deployment): readonly Mount[] {
  const own = links.filter((link) => link.folder === folder);
  if (!isHidden(folder)) {
    const hidden = own.filter(({ real }) => isHidden(real));
    return hidden.map(({ real }) => ({ source: real, target: real }));
  }
  if (own.length === 0) return [{ source: folder, target: folder }];
  return own.map(({ name, real }) => ({ source: real, target: `${folder}/${name}` }));
}

function isHidden(path: string): boolean {
  return HOMES.test(path) || TEMPORARY.test(path);
}

/** The engine fetches nothing: where only this machine asks, it talks to nobody else. */
function network({ shape, listen }: Deployment): readonly Setting[] {
  const alone = shape === 'engine' && isLoopback(listen.host);
  return [
    ['RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6 AF_NETLINK'],
    ...(alone
      ? ([
          ['IPAddressDeny', 'any'],
          ['IPAddressAllow', 'localhost'],
        ] as const)
      : []),
  ];
}

function capabilities({ listen }: Deployment): readonly Setting[] {
  const bind = listen.port < 1024 ? 'CAP_NET_BIND_SERVICE' : '';
  return [
    ['CapabilityBoundingSet', bind],
    ['AmbientCapabilities', bind],
  ];
}
