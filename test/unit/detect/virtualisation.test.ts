import { expect, test } from 'vitest';
import { virtualisationOf } from '../../../src/detect/virtualisation.ts';
import { fixture } from './support.ts';

const bare = {
  containerMark: false,
  procVersion: 'Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)',
  selfCgroup: '0::/user.slice/user-1000.slice/session-1.scope',
  wslDistribution: null,
  hypervisor: false,
};

test.each([
  ['bare metal', {}, null],
  ['a virtual machine', { hypervisor: true }, 'vm'],
  [
    'WSL by its kernel',
    { procVersion: fixture('wsl.proc-version.constructed.txt'), hypervisor: true },
    'wsl',
  ],
  ['WSL by its variable', { wslDistribution: 'Ubuntu' }, 'wsl'],
  ['a container by its mark', { containerMark: true, hypervisor: true }, 'container'],
  ['a pod', { selfCgroup: '12:memory:/kubepods/burstable/pod1' }, 'container'],
  ['podman under WSL', { wslDistribution: 'Ubuntu', containerMark: true }, 'container'],
])('%s', (_, signs, expected) => expect(virtualisationOf({ ...bare, ...signs })).toBe(expected));
