import { open } from 'node:fs/promises';

/** What the first bytes of a program file say about where it runs. */
export type ExecutableKind =
  | { readonly format: 'elf' | 'mach-o' | 'pe'; readonly arch: string | null }
  | { readonly format: 'script' }
  | { readonly format: 'unknown' };

const ELF_MACHINES: Readonly<Record<number, string>> = {
  0x03: 'ia32',
  0x15: 'ppc64',
  0x16: 's390x',
  0x28: 'arm',
  0x3e: 'x64',
  0xb7: 'arm64',
  0xf3: 'riscv64',
  0x102: 'loong64',
};
const PE_MACHINES: Readonly<Record<number, string>> = {
  0x14c: 'ia32',
  0x8664: 'x64',
  0xaa64: 'arm64',
};
const MACH_CPUS: Readonly<Record<number, string>> = { 0x01000007: 'x64', 0x0100000c: 'arm64' };
const PLATFORM_FORMATS: Readonly<Record<string, string>> = { darwin: 'mach-o', win32: 'pe' };

/** Architecture names are Node's (`x64`, `arm64` …); null where the header does not say one we know. */
export function parseExecutable(bytes: Buffer): ExecutableKind {
  if (bytes.length >= 2 && bytes.toString('latin1', 0, 2) === '#!') return { format: 'script' };
  if (bytes.length < 20) return { format: 'unknown' };
  if (bytes.readUInt32BE(0) === 0x7f454c46) {
    const machine = bytes[5] === 2 ? bytes.readUInt16BE(18) : bytes.readUInt16LE(18);
    return { format: 'elf', arch: ELF_MACHINES[machine] ?? null };
  }
  if (bytes.readUInt32LE(0) === 0xfeedfacf) {
    return { format: 'mach-o', arch: MACH_CPUS[bytes.readUInt32LE(4)] ?? null };
  }
  // A universal binary holds several architectures: the system picks.
  if (bytes.readUInt32BE(0) === 0xcafebabe) return { format: 'mach-o', arch: null };
  if (bytes.toString('latin1', 0, 2) === 'MZ') return { format: 'pe', arch: peArch(bytes) };
  return { format: 'unknown' };
}

function peArch(bytes: Buffer): string | null {
  if (bytes.length < 0x40) return null;
  const header = bytes.readUInt32LE(0x3c);
  if (header + 6 > bytes.length) return null;
  return PE_MACHINES[bytes.readUInt16LE(header + 4)] ?? null;
}

/**
 * Why `kind` cannot run on this platform and architecture; null when it may. Asked before the spawn:
 * the C library's execvp gives a foreign binary to `sh`, whose complaint says nothing.
 */
export function whyNotRunnable(
  kind: ExecutableKind,
  platform: NodeJS.Platform,
  arch: string,
): string | null {
  if (kind.format === 'unknown') return 'it is not a program';
  if (kind.format === 'script') {
    return platform === 'win32' ? 'it is a script, which Windows cannot start' : null;
  }
  const wanted = PLATFORM_FORMATS[platform] ?? 'elf';
  if (kind.format !== wanted) return `it is built for another system (${kind.format})`;
  // Rosetta and Windows on ARM run x64 programs.
  const emulated = platform !== 'linux' && arch === 'arm64' && kind.arch === 'x64';
  if (kind.arch === null || kind.arch === arch || emulated) return null;
  return `it is built for ${kind.arch}, this machine is ${arch}`;
}

/** Reads the first 4 KiB of `path`. Rejects when it cannot be read. */
export async function readExecutableKind(path: string): Promise<ExecutableKind> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
    return parseExecutable(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}
