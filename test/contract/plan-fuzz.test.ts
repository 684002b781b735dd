import { Buffer } from 'node:buffer';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { ModelDescription } from '../../src/contracts/model.ts';
import type { DeploymentPlan } from '../../src/contracts/plan.ts';
import { planSchema } from '../../src/contracts/plan.ts';
import { encoderMetadata } from '../../src/demo/encoder-metadata.ts';
import { textMetadata } from '../../src/demo/metadata.ts';
import { MmdeployError } from '../../src/errors.ts';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import type { GgufValue } from '../../src/gguf/types.ts';
import type { GgufContent } from '../../src/gguf/write.ts';
import { placeGguf } from '../../src/gguf/write.ts';
import { textModel } from '../../src/layout/model.ts';
import type { TextDims } from '../../src/layout/text.ts';
import { NO_WISHES } from '../../src/match/types.ts';
import { describeProfile } from '../../src/profiles/describe.ts';
import { findModel } from '../../src/profiles/layers.ts';
import { loadProfiles } from '../../src/profiles/load.ts';
import { folders } from '../../src/process/folders.ts';
import { createContext } from '../../src/workflows/create-context.ts';
import { planWorkflow } from '../../src/workflows/plan.ts';
import { measuredEncoder } from '../helpers/measured-encoders.ts';

const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const env = { HOME: folder, PATH: '' };
const ctx = createContext({ env, cwd: folder, folders: folders(env) });

/** mulberry32: the same mutations in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
type Below = ReturnType<typeof generator>;

function pick<T>(of: readonly T[], below: Below): T {
  const picked = of[below(of.length)];
  if (picked === undefined) throw new Error('nothing to pick from');
  return picked;
}

type Role = 'model' | 'mmproj';
type Pair = Readonly<Record<Role, GgufContent>>;
type Files = Readonly<Record<Role, string>>;

const fixture = new URL('../fixtures/measurements/text-models.yaml', import.meta.url);
const TEXTS = parse(readFileSync(fixture, 'utf8')) as Record<string, { dims: TextDims }>;

type Described = Pick<ModelDescription, 'text' | 'encoder'>;

/** Published dimensions of a language model and its encoder, without a vocabulary to wade through. */
function published(id: string): Described {
  const dims = TEXTS[id]?.dims;
  if (dims === undefined) throw new Error(`no text model ${id}`);
  return { text: textModel(dims, 131072, 'Q4_K_M'), encoder: measuredEncoder(id) };
}

function pairOf({ text, encoder }: Described): Pair {
  if (text === null || encoder === null) throw new Error('half a pair');
  return {
    model: { metadata: textMetadata('text', text), tensors: text.tensors },
    mmproj: { metadata: encoderMetadata('encoder', encoder), tensors: encoder.tensors },
  };
}

/** One of each kind of cache (plain, windows, latent, recurrent, experts), each with another projector. */
const REAL = ['qwen2.5-vl-7b', 'gemma-3-4b', 'kimi-vl-a3b', 'lfm2-vl-1.6b', 'llama-4-scout'];

/** Counts that no model has, and some that could be meant. */
const NUMBERS = [
  ...[0, 1, 2, 3, 7, 255, 4096, 65_537, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1],
  ...[-1, -(2 ** 31), 0.5, 1e300, Number.NaN, Number.POSITIVE_INFINITY],
];

function mutatedValue(value: GgufValue, below: Below): GgufValue {
  const number = pick(NUMBERS, below);
  switch (below(6)) {
    case 0:
      return { type: 'string', value: pick(['', 'clip', 'llama', '\u001b[2J'], below) };
    case 1:
      return { type: 'bool', value: below(2) === 0 };
    case 2:
      return {
        type: 'array',
        of: 'float64',
        value: Array.from({ length: below(4) }, () => pick(NUMBERS, below)),
      };
    default:
      if (value.type === 'uint32' && number >= 0 && number <= 2 ** 32 - 1 && number % 1 === 0) {
        return { type: 'uint32', value: number };
      }
      return { type: 'float64', value: number };
  }
}

type Metadata = GgufContent['metadata'][number][];
type Tensors = GgufContent['tensors'][number][];

function mutateMetadata(metadata: Metadata, below: Below): void {
  const at = below(metadata.length);
  const [key, value] = metadata[at] ?? ['', { type: 'bool', value: true }];
  if (below(8) === 0) metadata.splice(at, 1);
  else metadata[at] = [key, mutatedValue(value, below)];
}

const SIDES = [1, 2, 3, 32, 64, 4096, 2 ** 20, 2 ** 31, 2 ** 40];

function mutateTensors(tensors: Tensors, below: Below): void {
  const at = below(tensors.length);
  const tensor = tensors[at];
  if (tensor === undefined) return;
  const shape = tensor.shape.map((side) => (below(2) === 0 ? side : pick(SIDES, below)));
  switch (below(5)) {
    case 0:
      tensors.splice(at, 1);
      break;
    case 1:
      tensors[at] = { ...tensor, name: tensor.name.replace(/\d+/, (n) => String(Number(n) + 400)) };
      break;
    case 2:
      tensors[at] = { ...tensor, type: pick(['F32', 'F16', 'BF16', 'I8', 'F64'], below) };
      break;
    case 3:
      tensors[at] = { ...tensor, name: `x${below(9)}.weight` };
      break;
    default:
      tensors[at] = { ...tensor, shape };
  }
}

/** The header with one to three values, tensors or bytes changed, and how long the file is. */
function mutant(content: GgufContent, below: Below): { header: Uint8Array; length: number } | null {
  const metadata = [...content.metadata];
  const tensors = [...content.tensors];
  const bytesOnly = below(5) === 0;
  for (let edits = 1 + below(3); edits > 0 && !bytesOnly; edits--) {
    if (below(3) === 0) mutateTensors(tensors, below);
    else mutateMetadata(metadata, below);
  }
  let placed;
  try {
    placed = placeGguf({ metadata, tensors });
  } catch (error) {
    if (error instanceof MmdeployError) return null;
    throw error;
  }
  const header = Buffer.from(placed.header);
  for (let edits = 1 + below(3); edits > 0 && bytesOnly; edits--) {
    header[below(Math.min(header.length, 2000))] = below(256);
  }
  return { header, length: placed.totalBytes };
}

/** A file as large as its header claims, all hole; one too large for any disk is not written. */
function write(path: string, { header, length }: { header: Uint8Array; length: number }): boolean {
  if (length > 2 ** 42) return false;
  writeFileSync(path, header);
  truncateSync(path, length);
  return true;
}

/** Saved machines with so many cards. */
const MACHINES = [0, 1, 2].map((cards) => {
  const file = join(folder, `machine-${cards}.json`);
  const card = {
    ...{ vendor: 'nvidia', name: 'card', uuid: null, pciId: null, memoryKind: 'dedicated' },
    ...{ totalBytes: 16 * 2 ** 30, freeBytes: null, backend: 'cuda', driverVersion: null },
    ...{ runtimeVersion: null, computeCapability: null, mig: null, source: 'test' },
  };
  const machine = {
    ...{ schema: 'mmdeploy.machine/v1', origin: 'test', engines: [], probes: [], warnings: [] },
    os: {
      ...{ platform: 'linux', distribution: null, kernel: null, arch: 'x64' },
      virtualisation: null,
    },
    cpu: { model: null, physicalCores: null, logicalCores: null, usableCores: null },
    memory: { totalBytes: 64 * 2 ** 30, availableBytes: null, limitBytes: null },
    gpus: Array.from({ length: cards }, (_, index) => ({ ...card, id: `gpu${index}` })),
  };
  writeFileSync(file, JSON.stringify(machine));
  return file;
});

const bytesOf = (plan: DeploymentPlan, part: string) =>
  plan.memory.devices
    .flatMap(({ items }) => items)
    .filter((item) => item.part === part)
    .reduce((sum, { bytes }) => sum + bytes, 0);

function everyNumber(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(everyNumber);
}

/** Nothing negative, fractional, not a number or beyond 2^53; weights are the files' own tensors. */
function checkFigures(plan: DeploymentPlan, files: Files): void {
  planSchema.parse(plan);
  for (const number of everyNumber([plan.memory, plan.settings, plan.alternatives])) {
    expect(Number.isSafeInteger(number) && number >= 0, String(number)).toBe(true);
  }
  expect(JSON.stringify(plan)).not.toMatch(/NaN|Infinity|undefined/);
  const { tensors } = readGgufHeader(files.model);
  const stored = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  const embedding = tensors.find(({ name }) => name === 'token_embd.weight')?.bytes ?? 0;
  const onGpu = (plan.settings?.gpuLayers ?? 0) > 0;
  // Tied embeddings lie beside the output layer a second time.
  const tied = onGpu && !tensors.some(({ name }) => name === 'output.weight');
  expect(bytesOf(plan, 'weights')).toBe(stored + (tied ? embedding : 0));
  const eyes = readGgufHeader(files.mmproj).tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(bytesOf(plan, 'encoder-weights')).toBe(eyes);
}

function planned(files: Files, machineFile: string): Promise<DeploymentPlan> {
  return planWorkflow(
    {
      model: { name: files.model, mmproj: files.mmproj, profilesDir: null },
      machine: { gpus: [], machineFile, profilesDir: null },
      ...{ wishes: NO_WISHES, engine: 'auto', requirements: [] },
    },
    ctx,
  );
}

type Base = { readonly id: string; readonly pair: Pair; readonly whole: Files };
const bases: Base[] = [];

beforeAll(async () => {
  const { profiles } = await loadProfiles({ user: null, flag: null });
  const demo = describeProfile(findModel(profiles, 'demo'));
  for (const [id, described] of [
    ['demo', demo] as const,
    ...REAL.map((name) => [name, published(name)] as const),
  ]) {
    const pair = pairOf(described);
    const whole = { model: join(folder, `${id}.gguf`), mmproj: join(folder, `${id}-mmproj.gguf`) };
    for (const role of ['model', 'mmproj'] as const) {
      const { header, totalBytes } = placeGguf(pair[role]);
      write(whole[role], { header, length: totalBytes });
    }
    bases.push({ id, pair, whole });
  }
});

const MUTANTS = 500;

describe('plan of a GGUF pair', () => {
  it('has true figures for each of the pairs that the mutants come from', async () => {
    for (const { whole } of bases) {
      for (const machine of MACHINES) checkFigures(await planned(whole, machine), whole);
    }
  });

  it('is refused with its exit code or has true figures', { timeout: 120_000 }, async () => {
    const below = generator(11_669);
    const seen = { planned: 0, refused: 0 };
    for (let round = 0; seen.planned + seen.refused < MUTANTS; round++) {
      const { id, pair, whole } = pick(bases, below);
      const role = pick(['model', 'model', 'mmproj'] as const, below);
      const machine = pick(MACHINES, below);
      const files = { ...whole, [role]: join(folder, `mutant-${role}.gguf`) };
      const changed = mutant(pair[role], below);
      if (changed === null || !write(files[role], changed)) continue;
      try {
        checkFigures(await planned(files, machine), files);
        seen.planned++;
      } catch (error) {
        if (!(error instanceof MmdeployError)) {
          throw new Error(`round ${round}: ${role} of ${id}`, { cause: error });
        }
        expect([2, 5], error.message).toContain(error.exitCode);
        expect(error.hints.length, error.message).toBeGreaterThan(0);
        seen.refused++;
      }
    }
    // Neither everything is refused nor everything let through.
    expect(Math.min(seen.planned, seen.refused)).toBeGreaterThan(MUTANTS / 5);
  });

  const ABSURD: readonly (readonly [role: Role, key: string, value: number])[] = [
    ['model', 'gemma3.block_count', 2 ** 31],
    ['model', 'gemma3.block_count', 33],
    ['model', 'gemma3.embedding_length', 2 ** 31],
    ['model', 'gemma3.embedding_length', 1280],
    ['model', 'gemma3.attention.head_count', 2 ** 31],
    ['model', 'gemma3.attention.head_count_kv', 2 ** 31],
    ['model', 'gemma3.attention.key_length', 2 ** 32 - 1],
    ['model', 'gemma3.context_length', 2 ** 32 - 1],
    ['model', 'gemma3.context_length', 0],
    ['model', 'gemma3.feed_forward_length', 2 ** 31],
    ['mmproj', 'clip.vision.block_count', 2 ** 31],
    ['mmproj', 'clip.vision.attention.head_count', 2 ** 31],
    ['mmproj', 'clip.vision.image_size', 2 ** 31],
    ['mmproj', 'clip.vision.image_size', 0],
    ['mmproj', 'clip.vision.patch_size', 0],
  ];

  it.each(ABSURD)('is refused for a %s whose %s is %i', async (role, key, value) => {
    const base = bases.find(({ id }) => id === 'gemma-3-4b');
    if (base === undefined) throw new Error('no such pair');
    const { metadata, tensors } = base.pair[role];
    const changed = metadata.map(([name, was]): Metadata[number] =>
      name === key ? [name, { type: 'uint32', value }] : [name, was],
    );
    expect(changed).not.toEqual(metadata);
    const { header, totalBytes } = placeGguf({ metadata: changed, tensors });
    const files = { ...base.whole, [role]: join(folder, `absurd-${role}.gguf`) };
    write(files[role], { header, length: totalBytes });
    await expect(planned(files, MACHINES[1] ?? '')).rejects.toMatchObject({
      code: 'gguf.invalid',
      message: expect.stringContaining(`\`${key}\``) as string,
    });
  });
});
