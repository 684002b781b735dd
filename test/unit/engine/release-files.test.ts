import { describe, expect, it } from 'vitest';
import { loadEngineCatalogue } from '../../../src/engine/catalogue.ts';
import { autoAttempts } from '../../../src/engine/install-auto.ts';
import { chooseReleaseFile, fill, tagOf } from '../../../src/engine/release-files.ts';
import type { Gpu } from '../../../src/contracts/machine.ts';

const { llamaCpp } = await loadEngineCatalogue();

// The files of release b11459, as GitHub lists them.
// Source: https://github.com/ggml-org/llama.cpp/releases/tag/b11459 (copied from a public test that pins them)
const PUBLISHED = [
  'cudart-llama-b11459-bin-ubuntu-cuda-12.8-x64.tar.gz',
  'cudart-llama-b11459-bin-ubuntu-cuda-13.4-arm64.tar.gz',
  'cudart-llama-b11459-bin-ubuntu-cuda-13.4-x64.tar.gz',
  'cudart-llama-bin-win-cuda-12.4-x64.zip',
  'cudart-llama-bin-win-cuda-13.4-x64.zip',
  'llama-b11459-bin-macos-arm64.tar.gz',
  'llama-b11459-bin-macos-x64.tar.gz',
  'llama-b11459-bin-ubuntu-arm64.tar.gz',
  'llama-b11459-bin-ubuntu-cuda-12.8-x64.tar.gz',
  'llama-b11459-bin-ubuntu-cuda-13.4-arm64.tar.gz',
  'llama-b11459-bin-ubuntu-cuda-13.4-x64.tar.gz',
  'llama-b11459-bin-ubuntu-rocm-10.0-x64.tar.gz',
  'llama-b11459-bin-ubuntu-vulkan-arm64.tar.gz',
  'llama-b11459-bin-ubuntu-vulkan-x64.tar.gz',
  'llama-b11459-bin-ubuntu-x64.tar.gz',
  'llama-b11459-bin-win-cpu-arm64.zip',
  'llama-b11459-bin-win-cpu-x64.zip',
  'llama-b11459-bin-win-cuda-12.4-x64.zip',
  'llama-b11459-bin-win-cuda-13.4-x64.zip',
  'llama-b11459-bin-win-rocm-10.0-x64.zip',
  'llama-b11459-bin-win-vulkan-arm64.zip',
  'llama-b11459-bin-win-vulkan-x64.zip',
];

describe('the catalogue of release files', () => {
  it('names files that a release has', () => {
    const named = llamaCpp.release.files.flatMap(({ file, companion }) =>
      [file, ...(companion === undefined ? [] : [companion])].map((name) =>
        fill(name, { tag: 'b11459' }),
      ),
    );
    expect([...new Set(named)].sort()).toEqual(PUBLISHED);
  });

  it('has the sum of every file of the build that is installed by default', () => {
    const tag = tagOf(llamaCpp.release.build);
    const without = llamaCpp.release.files
      .flatMap(({ file, companion }) => [file, ...(companion === undefined ? [] : [companion])])
      .map((name) => fill(name, { tag }))
      .filter((name) => !(name in llamaCpp.release.sha256));
    expect(without).toEqual([]);
  });
});

describe('chooseReleaseFile', () => {
  const choose = (
    platform: string,
    arch: string,
    accelerator: string,
    cudaVersion: string | null = null,
    computeCapability: string | null = null,
  ) => {
    const target = { platform, arch, accelerator, cudaVersion, computeCapability };
    const choice = chooseReleaseFile(llamaCpp.release, target);
    return choice.kind === 'file' ? fill(choice.file.file, { tag: 'bN' }) : choice.reason;
  };

  it.each([
    ['linux', 'x64', 'cpu', null, null, 'llama-bN-bin-ubuntu-x64.tar.gz'],
    ['linux', 'arm64', 'vulkan', null, null, 'llama-bN-bin-ubuntu-vulkan-arm64.tar.gz'],
    ['darwin', 'arm64', 'metal', null, null, 'llama-bN-bin-macos-arm64.tar.gz'],
    ['win32', 'x64', 'cpu', null, null, 'llama-bN-bin-win-cpu-x64.zip'],
    // A driver of CUDA 12.x runs what was built with any 12.x; 13.0 is older than 13.4.
    ['linux', 'x64', 'cuda', '12.8', '8.9', 'llama-bN-bin-ubuntu-cuda-12.8-x64.tar.gz'],
    ['linux', 'x64', 'cuda', '12.2', '8.9', 'llama-bN-bin-ubuntu-cuda-12.8-x64.tar.gz'],
    ['linux', 'x64', 'cuda', '13.0', '9.0', 'llama-bN-bin-ubuntu-cuda-12.8-x64.tar.gz'],
    ['linux', 'x64', 'cuda', '13.10', '9.0', 'llama-bN-bin-ubuntu-cuda-13.4-x64.tar.gz'],
    // Pascal: CUDA 13 has no code for it.
    ['linux', 'x64', 'cuda', '13.4', '6.1', 'llama-bN-bin-ubuntu-cuda-12.8-x64.tar.gz'],
    // Blackwell on Windows: CUDA 12.4 has no code for it.
    ['win32', 'x64', 'cuda', '13.4', '12.0', 'llama-bN-bin-win-cuda-13.4-x64.zip'],
    ['win32', 'x64', 'cuda', '13.0', '8.6', 'llama-bN-bin-win-cuda-12.4-x64.zip'],
    ['linux', 'x64', 'cuda', null, null, 'llama-bN-bin-ubuntu-cuda-13.4-x64.tar.gz'],
  ])('%s %s %s, CUDA %s, capability %s: %s', (platform, arch, acc, cuda, capability, file) => {
    expect(choose(platform, arch, acc, cuda, capability)).toBe(file);
  });

  it('says why there is none', () => {
    expect(choose('linux', 'x64', 'metal')).toMatch(/no metal build for linux x64/);
    expect(choose('linux', 'x64', 'cuda', '11.4', '8.6')).toMatch(/driver \(CUDA 11\.4\)/);
    expect(choose('linux', 'arm64', 'cuda', '12.8', '8.7')).toMatch(
      /published builds \(CUDA 13\.4\)/,
    );
  });
});

describe('autoAttempts', () => {
  const gpu = (backend: Gpu['backend'], memoryKind: Gpu['memoryKind'] = 'dedicated') =>
    ({ name: 'card', backend, memoryKind }) as Gpu;
  const order = (gpus: Gpu[], platform: string, debian: boolean, arch = 'x64') =>
    autoAttempts(gpus, { platform, arch, debian }).map(
      ({ source, accelerator }) => `${source} ${accelerator}`,
    );

  it.each([
    ['no GPU on Debian', order([], 'linux', true), ['debian cpu', 'release cpu']],
    ['no GPU on another Linux', order([], 'linux', false), ['release cpu']],
    [
      'NVIDIA on Debian',
      order([gpu('cuda')], 'linux', true),
      ['release cuda', 'release vulkan', 'debian vulkan', 'debian cpu', 'release cpu'],
    ],
    ['AMD', order([gpu('rocm')], 'linux', false), ['release vulkan', 'release cpu']],
    [
      'NVIDIA on Windows',
      order([gpu('cuda')], 'win32', false),
      ['release cuda', 'release vulkan', 'release cpu'],
    ],
    [
      'Apple silicon',
      order([gpu('metal', 'unified')], 'darwin', false, 'arm64'),
      ['release metal'],
    ],
    ['an Intel Mac', order([], 'darwin', false), ['release cpu']],
    ['an integrated GPU', order([gpu('vulkan', 'shared_system')], 'linux', false), ['release cpu']],
  ])('%s', (_, actual, expected) => {
    expect(actual).toEqual(expected);
  });
});
