import { describe, expect, it } from 'vitest';
import type { EngineFound, Gpu } from '../../../src/contracts/machine.ts';
import {
  chooseEngine,
  gpusShown,
  missingFeatures,
  missingRequired,
} from '../../../src/engine/choose.ts';

const RULES = { minBuild: 5353 };

function engine(path: string, overrides: Partial<EngineFound> = {}): EngineFound {
  return {
    name: 'llama.cpp',
    path,
    version: 'b9000',
    build: 9000,
    devices: [],
    source: 'path',
    ...overrides,
  };
}

function device(id: string, name: string) {
  return { id, name, totalMib: 24000 };
}

function gpu(name: string, overrides: Partial<Gpu> = {}): Gpu {
  return {
    id: 'gpu0',
    vendor: 'nvidia',
    name,
    uuid: null,
    pciId: null,
    memoryKind: 'dedicated',
    totalBytes: null,
    freeBytes: null,
    backend: 'cuda',
    driverVersion: null,
    runtimeVersion: null,
    computeCapability: null,
    mig: null,
    source: 'test',
    ...overrides,
  };
}

const RTX = gpu('NVIDIA GeForce RTX 4090');
const cuda = device('CUDA0', 'NVIDIA GeForce RTX 4090');
const vulkan = device('Vulkan0', 'NVIDIA GeForce RTX 4090');

describe('chooseEngine', () => {
  it('finds none', () => {
    expect(chooseEngine([], { gpus: [RTX] }, RULES).kind).toBe('none');
  });

  it('is content with a CPU engine on a machine without a GPU', () => {
    const only = engine('/usr/bin/llama-server');
    expect(chooseEngine([only], { gpus: [] }, RULES)).toMatchObject({
      kind: 'ready',
      engine: only,
    });
  });

  it('prefers the engine that shows the GPU, wherever it was found', () => {
    const cpu = engine('/usr/bin/llama-server');
    const own = engine('/data/llama-server', { devices: [cuda], source: 'managed' });
    const choice = chooseEngine([cpu, own], { gpus: [RTX] }, RULES);
    expect(choice).toMatchObject({ kind: 'ready', engine: own });
    expect(choice.why).toMatch(/1 of 1 GPUs \(CUDA0\)/);
  });

  it('prefers CUDA to Vulkan on the same card', () => {
    const first = engine('/a', { devices: [vulkan] });
    const second = engine('/b', { devices: [cuda] });
    expect(chooseEngine([first, second], { gpus: [RTX] }, RULES)).toMatchObject({ engine: second });
  });

  it('prefers more of the GPUs to the better backend', () => {
    const two = [
      gpu('NVIDIA GeForce RTX 4090'),
      gpu('AMD Radeon RX 7900 XTX', { backend: 'rocm' }),
    ];
    const onlyCuda = engine('/a', { devices: [cuda] });
    const both = engine('/b', {
      devices: [vulkan, device('Vulkan1', 'AMD Radeon RX 7900 XTX (RADV NAVI31)')],
    });
    expect(chooseEngine([onlyCuda, both], { gpus: two }, RULES)).toMatchObject({ engine: both });
  });

  it('obeys the flag and the environment, and says when that costs the GPU', () => {
    const named = engine('/named', { source: 'flag' });
    const better = engine('/better', { devices: [cuda] });
    expect(chooseEngine([named, better], { gpus: [RTX] }, RULES)).toMatchObject({
      kind: 'cpu-only',
      engine: named,
      gpus: ['NVIDIA GeForce RTX 4090'],
    });
  });

  it('does not take remote, BLAS or software devices for the GPU', () => {
    const fakes = engine('/a', {
      devices: [
        device('RPC[10.0.0.2:50052]', 'RPC[10.0.0.2:50052]'),
        device('BLAS', 'Accelerate'),
        device('Vulkan0', 'llvmpipe (LLVM 19.1.7, 256 bits)'),
      ],
    });
    expect(chooseEngine([fakes], { gpus: [RTX] }, RULES).kind).toBe('cpu-only');
  });

  it('asks nothing of an integrated GPU or an unknown card', () => {
    const gpus = [
      gpu('Intel UHD 620', { backend: 'vulkan', memoryKind: 'shared_system', vendor: 'intel' }),
      gpu('ASPEED', { backend: null, vendor: 'unknown' }),
    ];
    expect(chooseEngine([engine('/a')], { gpus }, RULES).kind).toBe('ready');
  });

  it('passes over an old build when there is another, and refuses it when there is none', () => {
    const old = engine('/old', { build: 3173, devices: [cuda] });
    const recent = engine('/new');
    expect(chooseEngine([old, recent], { gpus: [] }, RULES)).toMatchObject({ engine: recent });
    expect(chooseEngine([old], { gpus: [] }, RULES)).toMatchObject({
      kind: 'too-old',
      minBuild: 5353,
    });
  });

  it('takes the build that does not know its number', () => {
    const unknown = engine('/a', { build: null, version: null });
    expect(chooseEngine([unknown], { gpus: [] }, RULES).kind).toBe('ready');
  });

  it('keeps the order of the search among equals', () => {
    const found = [engine('/first'), engine('/second'), engine('/third', { source: 'managed' })];
    expect(chooseEngine(found, { gpus: [] }, RULES)).toMatchObject({ engine: { path: '/first' } });
  });
});

describe('gpusShown', () => {
  it.each([
    ['NVIDIA GeForce RTX 4090', 'GeForce RTX 4090', 1],
    ['Apple M4 Max', 'Apple M4 Max', 1],
    ['NVIDIA H100 80GB HBM3', 'NVIDIA H100 80GB HBM3', 1],
  ])('%s is %s', (shown, detected, count) => {
    expect(gpusShown(engine('/a', { devices: [device('X0', shown)] }), [gpu(detected)])).toBe(
      count,
    );
  });

  it('counts devices where the drivers name the card differently', () => {
    const one = engine('/a', { devices: [device('Vulkan0', 'RADV NAVI31')] });
    expect(gpusShown(one, [gpu('Radeon RX 7900 XTX'), gpu('Radeon RX 7800 XT')])).toBe(1);
  });
});

describe('what an engine lacks', () => {
  const optional = [
    { flag: '--fit', seenIn: 8763, without: 'does not check the fit', source: 'x' },
    { flag: '--load-mode', seenIn: 11669, without: 'loads its own way', source: 'x' },
  ];

  it('is one line for each optional flag', () => {
    expect(missingFeatures({ build: 9000, flags: ['--fit'] }, optional)).toEqual([
      'this llama-server (build 9000) has no `--load-mode`: it loads its own way',
    ]);
  });

  it('is a list of the required flags', () => {
    expect(missingRequired(['--port'], ['--port', '--mmproj'])).toEqual(['--mmproj']);
  });
});
