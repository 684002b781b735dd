import type { Host } from './host.ts';

export type VirtualisationSigns = {
  /** `/.dockerenv` or `/run/.containerenv` is there, or the runtime set `container`. */
  readonly containerMark: boolean;
  readonly procVersion: string | null;
  readonly selfCgroup: string | null;
  readonly wslDistribution: string | null;
  /** The CPU has the `hypervisor` flag. */
  readonly hypervisor: boolean;
};

/** `container`, `wsl`, `vm`, the innermost first; null for bare metal or unknown. */
export function virtualisationOf(signs: VirtualisationSigns): string | null {
  const inContainer = /docker|containerd|kubepods|libpod|\/lxc\//.test(signs.selfCgroup ?? '');
  if (signs.containerMark || inContainer) return 'container';
  if (signs.wslDistribution !== null || /microsoft/i.test(signs.procVersion ?? '')) return 'wsl';
  return signs.hypervisor ? 'vm' : null;
}

/** Gathers the signs. `cpuFlags` is systeminformation's list. */
export async function readVirtualisation(
  host: Host,
  cpuFlags: string | null,
): Promise<string | null> {
  const [dockerenv, containerenv, procVersion, selfCgroup] = await Promise.all(
    ['/.dockerenv', '/run/.containerenv', '/proc/version', '/proc/self/cgroup'].map((path) =>
      host.platform === 'linux' ? host.readText(path) : Promise.resolve(null),
    ),
  );
  const marked = [dockerenv, containerenv].some((text) => typeof text === 'string');
  return virtualisationOf({
    containerMark: marked || (host.env['container'] ?? '') !== '',
    procVersion: procVersion ?? null,
    selfCgroup: selfCgroup ?? null,
    wslDistribution: host.env['WSL_DISTRO_NAME'] ?? null,
    hypervisor: (cpuFlags ?? '').split(' ').includes('hypervisor'),
  });
}
