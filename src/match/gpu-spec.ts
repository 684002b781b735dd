import type { Gpu } from '../contracts/machine.ts';
import { MmdeployError, nearest } from '../errors.ts';
import type { GpuCard } from '../profiles/gpu-schema.ts';
import { parseSize } from '../units.ts';
import { reportedBytes } from './gpu-name.ts';

const MAX_CARDS = 1024;
/** The runtime that llama.cpp uses on the cards of each maker. */
export const BACKENDS = { nvidia: 'cuda', amd: 'rocm', apple: 'metal', intel: 'sycl' } as const;
/** Share of unified memory macOS lets the GPU use unless `iogpu.wired_limit_mb` says otherwise. */
const APPLE_SHARES = [
  { upToGib: 36, share: 2 / 3 },
  { upToGib: Number.POSITIVE_INFINITY, share: 0.75 },
] as const;

/** Words of the maker that people write or leave out. */
const NOISE = new Set(['nvidia', 'geforce', 'tesla', 'amd', 'instinct', 'intel', 'apple', 'gpu']);

type Wanted = { readonly words: readonly string[]; readonly gib: number | null };

/**
 * What-if GPUs of `--gpu SPEC`: `RTX 4090`, `2x A100-80GB SXM`, `M3 Max 64GB`, `24GiB` (an anonymous
 * card), `none`. Capacity is what the card's driver reports. Ids count on from `firstIndex`.
 * Throws `usage.unknown-gpu` with the nearest names, or with the variants when the name means several.
 */
export function parseGpuSpec(
  spec: string,
  cards: readonly GpuCard[],
  firstIndex = 0,
): readonly Gpu[] {
  if (isNone(spec)) return [];
  const { count, text } = splitCount(spec);
  const one = anonymous(text) ?? ofCard(text, cards);
  const gpus = Array.from({ length: count }, () => one).flat();
  return gpus.map((gpu, index) => ({ ...gpu, id: `gpu${firstIndex + index}` }));
}

/** Whether a spec asks for no GPU at all. */
export function isNone(spec: string): boolean {
  return /^\s*(none|cpu)\s*$/i.test(spec);
}

function splitCount(spec: string): { count: number; text: string } {
  const match = /^\s*(\d+)\s*[x×]\s*(.+)$/i.exec(spec);
  const count = match ? Number(match[1]) : 1;
  if (count >= 1 && count <= MAX_CARDS) return { count, text: (match?.[2] ?? spec).trim() };
  throw new MmdeployError('usage.unknown-gpu', `\`${spec}\` asks for ${count} cards`, {
    hints: ['no GPU at all is `mmdeploy plan --gpu none`'],
  });
}

function anonymous(text: string): Gpu[] | null {
  const bytes = parseSize(text);
  if (bytes === null || bytes === 0) return null;
  return [{ ...BLANK, name: text, totalBytes: bytes }];
}

const BLANK: Gpu = {
  id: '',
  vendor: 'unknown',
  name: '',
  uuid: null,
  pciId: null,
  memoryKind: 'dedicated',
  totalBytes: null,
  freeBytes: null,
  backend: null,
  driverVersion: null,
  runtimeVersion: null,
  computeCapability: null,
  mig: null,
  source: 'what-if',
};

function ofCard(text: string, cards: readonly GpuCard[]): Gpu[] {
  const { card, gib } = chooseCard(text, cards);
  const bytes = Math.floor(reportedBytes(card, gib) / card.devices);
  const gpu: Gpu = {
    ...BLANK,
    vendor: card.vendor,
    name: card.memoryGib.value.length > 1 ? `${card.name} ${gib}GB` : card.name,
    memoryKind: card.memoryKind,
    totalBytes: bytes,
    freeBytes: card.vendor === 'apple' ? Math.floor(bytes * appleShare(gib)) : null,
    backend: BACKENDS[card.vendor],
    computeCapability: card.vendor === 'nvidia' ? (card.compute?.value ?? null) : null,
  };
  return Array.from({ length: card.devices }, () => gpu);
}

function appleShare(gib: number): number {
  return APPLE_SHARES.find(({ upToGib }) => gib <= upToGib)?.share ?? 0.75;
}

/** Every card the text can mean, with each capacity it was sold in; exactly one capacity must be left. */
function chooseCard(text: string, cards: readonly GpuCard[]): { card: GpuCard; gib: number } {
  const wanted = wordsOf(text);
  const exact = cards.filter((card) => means(card, wanted.words, (words) => words));
  // `A100-80GB` is sold in two form factors: memory and generation are the same, the slower one is taken.
  const any = exact.length > 0 ? exact : cards.filter((card) => means(card, wanted.words, bare));
  const choices = any
    .flatMap((card) => card.memoryGib.value.map((gib) => ({ card, gib })))
    .filter(({ gib }) => wanted.gib === null || gib === wanted.gib)
    .sort((a, b) => a.card.bandwidthGbs.value - b.card.bandwidthGbs.value);
  const [first] = choices;
  if (first === undefined) throw unknown(text, wanted, cards);
  if (choices.every(({ gib }) => gib === first.gib)) return first;
  const sizes = [...new Set(choices.map(({ gib }) => gib))].sort((a, b) => a - b);
  throw new MmdeployError(
    'usage.unknown-gpu',
    `\`${text}\` was sold with ${sizes.join(', ')} GB: say which`,
    {
      hints: [
        ...variants(choices.map(({ card }) => card.name)),
        `\`mmdeploy plan --gpu "${text} ${sizes.at(-1) ?? ''}GB"\``,
      ],
    },
  );
}

function variants(names: readonly string[]): string[] {
  const all = [...new Set(names)];
  return all.length < 2 ? [] : [`did you mean ${all.map((name) => `\`${name}\``).join(', ')}?`];
}

const FORM_FACTORS = new Set(['sxm', 'pcie', 'nvl']);
const bare = (words: readonly string[]) => words.filter((word) => !FORM_FACTORS.has(word));

function means(
  card: GpuCard,
  wanted: readonly string[],
  kept: (words: readonly string[]) => readonly string[],
): boolean {
  return namesOf(card).some((name) => same(kept(wordsOf(name).words), wanted));
}

function namesOf(card: GpuCard): string[] {
  return [card.name, ...card.driverNames];
}

/** `A100-SXM4-80GB` and `NVIDIA A100 80GB SXM` are the same words and the same memory. */
function wordsOf(text: string): Wanted {
  const parts = text
    .toLowerCase()
    .replace(/[-_/(),]+/g, ' ')
    .replace(/\bsxm\d\b/g, 'sxm')
    .replace(/(\d)\s+(gi?b)\b/g, '$1$2')
    .split(/\s+/)
    .filter((word) => word !== '' && !NOISE.has(word));
  const sizes = parts.filter((word) => MEMORY.test(word));
  return {
    words: parts.filter((word) => !MEMORY.test(word)).sort(),
    gib: sizes[0] === undefined ? null : Number.parseFloat(sizes[0]),
  };
}

const MEMORY = /^\d+(?:\.\d+)?gi?b?$/;

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, index) => word === b[index]);
}

function unknown(text: string, wanted: Wanted, cards: readonly GpuCard[]): MmdeployError {
  const containing = cards
    .filter((card) => {
      const words = new Set(wordsOf(card.name).words);
      return wanted.words.length > 0 && wanted.words.every((word) => words.has(word));
    })
    .map(({ name }) => name);
  const names = cards.map(({ name }) => name);
  const near = [...new Set([...containing.slice(0, 4), ...nearest(text, names)])].slice(0, 4);
  return new MmdeployError(
    'usage.unknown-gpu',
    `unknown GPU ${text === '' ? '`""`' : `\`${text}\``}`,
    {
      hints: [
        ...(near.length === 0 ? [] : [`did you mean ${near.map((n) => `\`${n}\``).join(', ')}?`]),
        `give its memory instead, as in \`mmdeploy plan --gpu ${exampleSize(wanted)}\``,
      ],
    },
  );
}

function exampleSize({ gib }: Wanted): string {
  return `${gib === null || gib === 0 ? 24 : gib}GiB`;
}
