import { describe, expect, it } from 'vitest';
import { cardOf, findCard } from '../../../src/match/gpu-name.ts';
import { parseGpuSpec } from '../../../src/match/gpu-spec.ts';
import { loadCards } from '../../../src/profiles/load.ts';

const cards = await loadCards({ user: null, flag: null });
const MIB = 1024 * 1024;

it('knows a GPU by the name it is sold by, or by its driver’s', () => {
  const [asked] = parseGpuSpec('Arc Pro B60', cards);
  if (asked === undefined) throw new Error('no such card');
  const driven = { ...asked, name: 'Intel(R) Arc(TM) Pro B60 Graphics' };
  for (const gpu of [asked, driven]) expect(cardOf(cards, gpu)?.compute?.value).toBe('xe2-hpg');
  expect(cardOf(cards, { ...asked, name: 'Intel GPU' })).toBeNull();
});

describe('findCard', () => {
  it.each([
    // Names and memory.total as nvidia-smi prints them.
    ['NVIDIA GeForce RTX 4090', 24564, 'RTX 4090'],
    ['GeForce RTX 3060', 12288, 'RTX 3060 12GB'],
    ['NVIDIA GeForce RTX 3060', 8192, 'RTX 3060 8GB'],
    ['NVIDIA GeForce RTX 4060 Ti', 16380, 'RTX 4060 Ti 16GB'],
    ['NVIDIA A100-SXM4-80GB', 81920, 'A100-80GB SXM'],
    ['A100-PCIE-40GB', 40960, 'A100-40GB PCIe'],
    ['NVIDIA H100 80GB HBM3', 81559, 'H100 SXM'],
    ['Tesla T4', 15360, 'T4'],
    ['NVIDIA GeForce RTX 4090 Laptop GPU', 16376, 'RTX 4090 Laptop'],
    ['NVIDIA GeForce RTX 2070 SUPER', 8192, 'RTX 2070 SUPER'],
    ['NVIDIA GeForce RTX 2070 Super', 8192, 'RTX 2070 Super Laptop'],
    ['nvidia geforce rtx 4080', null, 'RTX 4080'],
    ['Apple M3 Max', 64 * 1024, 'M3 Max (40-core GPU)'],
  ])('%s with %s MiB is the %s', (name, totalMib, card) => {
    expect(findCard(cards, name, totalMib)?.name).toBe(card);
  });

  it.each([
    ['a name cut by nvidia-smi', 'NVIDIA GeForce RTX 5070 ...', 12227],
    ['a MIG slice', 'NVIDIA A100-SXM4-80GB MIG 3g.40gb', 40192],
    ['a card nobody listed', 'NVIDIA GeForce RTX 9999', 24564],
    ['a shared name without memory', 'NVIDIA GeForce RTX 3060', null],
    ['a name that desktop and laptop share', 'NVIDIA GeForce GTX 1660 Ti', 6144],
  ])('does not guess: %s', (_why, name, totalMib) => {
    expect(findCard(cards, name, totalMib)).toBeNull();
  });

  it('finds every card whose driver name is its own', () => {
    const owners = (name: string) =>
      cards.filter(({ driverNames }) => driverNames.some((known) => known === name));
    const own = cards.flatMap((card) =>
      card.driverNames.filter((name) => owners(name).length === 1).map((name) => ({ card, name })),
    );
    expect(own.length).toBeGreaterThan(150);
    for (const { card, name } of own) expect(findCard(cards, name)?.id).toBe(card.id);
  });
});

describe('parseGpuSpec', () => {
  const names = (spec: string) => parseGpuSpec(spec, cards).map(({ name }) => name);

  it.each([
    ['RTX 4090', 'RTX 4090', 24564],
    ['rtx 4090', 'RTX 4090', 24564],
    ['NVIDIA GeForce RTX 4090', 'RTX 4090', 24564],
    ['RTX A6000', 'RTX A6000', 49140],
    ['A100-80GB SXM', 'A100-80GB SXM', 81920],
    ['A100 80GB SXM4', 'A100-80GB SXM', 81920],
    // Two form factors of the same memory: the slower one.
    ['A100-80GB', 'A100-80GB PCIe', 81920],
    ['H100 80GB', 'H100 PCIe', 81559],
    ['H100 SXM', 'H100 SXM', 81559],
    ['MI300X', 'MI300X', 192 * 1024],
    ['RTX 3060 12 GB', 'RTX 3060 12GB', 12288],
    ['RTX 4090 Laptop', 'RTX 4090 Laptop', 16376],
    ['T4', 'T4', 15360],
    ['24GiB', '24GiB', 24576],
  ])('%s is %s with %i MiB', (spec, name, mib) => {
    const [gpu] = parseGpuSpec(spec, cards);
    expect(gpu?.name).toBe(name);
    expect((gpu?.totalBytes ?? 0) / MIB).toBe(mib);
    expect(gpu?.source).toBe('what-if');
  });

  it('counts cards and numbers them on', () => {
    const gpus = parseGpuSpec('2x A100-80GB SXM', cards, 3);
    expect(gpus.map(({ id }) => id)).toEqual(['gpu3', 'gpu4']);
    expect(gpus[0]).toMatchObject({ vendor: 'nvidia', backend: 'cuda', computeCapability: '8.0' });
  });

  it('gives the GPU of a Mac three quarters of its memory', () => {
    const [gpu] = parseGpuSpec('M3 Max 64GB', cards);
    expect(gpu).toMatchObject({ name: 'M3 Max (40-core GPU) 64GB', memoryKind: 'unified' });
    expect(gpu?.totalBytes).toBe(64 * 1024 * MIB);
    expect(gpu?.freeBytes).toBe(48 * 1024 * MIB);
  });

  it('makes two GPUs of one MI250X module', () => {
    const gpus = parseGpuSpec('MI250X', cards);
    expect(gpus.map(({ totalBytes }) => totalBytes)).toEqual([64 * 1024 * MIB, 64 * 1024 * MIB]);
  });

  it('takes none as no GPU', () => {
    expect(names('none')).toEqual([]);
  });

  it.each([
    ['RTX 4091', 'RTX 4090'],
    ['H100', 'H100 SXM'],
    ['A100', 'A100-80GB SXM'],
    ['RTX 4090 TI', 'RTX 4090'],
  ])('refuses %s and offers %s', (spec, near) => {
    expect(() => parseGpuSpec(spec, cards)).toThrow(
      expect.objectContaining({
        code: 'usage.unknown-gpu',
        hints: expect.arrayContaining([expect.stringContaining(`\`${near}\``)]),
      }),
    );
  });

  it.each(['RTX 3060', 'M3 Max', 'RTX 4060 Ti'])('asks which %s is meant', (spec) => {
    expect(() => parseGpuSpec(spec, cards)).toThrow(/say which/);
  });

  it.each(['', '0x RTX 4090', '99999x T4', '-1GiB', '0GiB'])('refuses `%s`', (spec) => {
    expect(() => parseGpuSpec(spec, cards)).toThrow(
      expect.objectContaining({ code: 'usage.unknown-gpu' }),
    );
  });
});
