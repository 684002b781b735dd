import { describe, expect, it } from 'vitest';
import {
  parseExecutable,
  readExecutableKind,
  whyNotRunnable,
} from '../../../src/engine/executable.ts';

/** The first 20 bytes of an ELF file: 64 bit, little endian, position independent. */
function elf(machine: number): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.write('\x7fELF', 'latin1');
  bytes.set([2, 1, 1], 4);
  bytes.writeUInt16LE(3, 16);
  bytes.writeUInt16LE(machine, 18);
  return bytes;
}

function pe(machine: number): Buffer {
  const bytes = Buffer.alloc(256);
  bytes.write('MZ');
  bytes.writeUInt32LE(128, 0x3c);
  bytes.write('PE\0\0', 128);
  bytes.writeUInt16LE(machine, 132);
  return bytes;
}

function machO(cpu: number): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32LE(0xfeedfacf, 0);
  bytes.writeUInt32LE(cpu, 4);
  return bytes;
}

describe('whyNotRunnable', () => {
  it.each([
    ['ELF x64 on Linux x64', elf(62), 'linux', 'x64', null],
    ['ELF arm64 on Linux x64', elf(183), 'linux', 'x64', /built for arm64, this machine is x64/],
    ['ELF x64 on Linux arm64', elf(62), 'linux', 'arm64', /built for x64, this machine is arm64/],
    ['ELF of an unknown machine', elf(0xfff), 'linux', 'x64', null],
    ['ELF on macOS', elf(62), 'darwin', 'x64', /built for another system \(elf\)/],
    ['Mach-O arm64 on Linux', machO(0x0100000c), 'linux', 'arm64', /another system \(mach-o\)/],
    ['Mach-O x64 on Apple silicon', machO(0x01000007), 'darwin', 'arm64', null],
    ['Mach-O arm64 on an Intel Mac', machO(0x0100000c), 'darwin', 'x64', /built for arm64/],
    ['PE x64 on Windows', pe(0x8664), 'win32', 'x64', null],
    ['PE arm64 on Windows x64', pe(0xaa64), 'win32', 'x64', /built for arm64/],
    ['PE on Linux', pe(0x8664), 'linux', 'x64', /another system \(pe\)/],
    ['a script on Linux', Buffer.from('#!/bin/sh\n'), 'linux', 'x64', null],
    ['a script on Windows', Buffer.from('#!/bin/sh\n'), 'win32', 'x64', /a script/],
    [
      'text',
      Buffer.from('This is a text of some length, no program.'),
      'linux',
      'x64',
      /not a pro/,
    ],
    ['an empty file', Buffer.alloc(0), 'linux', 'x64', /not a program/],
  ] as const)('%s', (_, bytes, platform, arch, expected) => {
    const why = whyNotRunnable(parseExecutable(bytes), platform, arch);
    if (expected === null) expect(why).toBeNull();
    else expect(why).toMatch(expected);
  });

  it('lets this very node run here', async () => {
    const kind = await readExecutableKind(process.execPath);
    expect(whyNotRunnable(kind, process.platform, process.arch)).toBeNull();
  });
});
