import type { Gpu } from '../contracts/machine.ts';
import type { GpuCard } from '../profiles/gpu-schema.ts';
import { GIB, MIB } from '../units.ts';

/**
 * Which row of the card table a driver's name means. Whole names only: a laptop part, a `Ti`, a MIG
 * slice or a name cut by `…` never matches the card whose name it contains.
 */

/** Older drivers print `GeForce RTX …` and `Tesla T4` where newer ones put `NVIDIA` in front. */
const BRAND = /^NVIDIA /i;

/** Drivers report 3 to 8 % less than what was sold; variants differ by a quarter or more. */
const MEMORY_TOLERANCE = 0.12;

/**
 * The card a driver calls `driverName`, or null. Where several cards share the name, `totalMib`
 * decides; where it cannot, and their figures differ, the answer is null rather than a guess.
 */
export function findCard(
  cards: readonly GpuCard[],
  driverName: string,
  totalMib: number | null = null,
): GpuCard | null {
  const named = byName(cards, driverName.trim());
  const fitting = named.length > 1 ? named.filter((card) => holds(card, totalMib)) : named;
  const [first] = fitting;
  return first !== undefined && fitting.every((card) => sameFigures(card, first)) ? first : null;
}

/** The card of a GPU: one that is asked about has the name it is sold by, a real one its driver's. */
export function cardOf(cards: readonly GpuCard[], { name, totalBytes }: Gpu): GpuCard | null {
  const sold = cards.find((card) => card.name === name);
  return sold ?? findCard(cards, name, totalBytes === null ? null : totalBytes / MIB);
}

/** Case counts first: `RTX 2070 Super` is the laptop part, `RTX 2070 SUPER` the desktop card. */
function byName(cards: readonly GpuCard[], name: string): readonly GpuCard[] {
  const bare = name.replace(BRAND, '');
  const exact = cards.filter(({ driverNames }) =>
    driverNames.some((known) => known === name || known.replace(BRAND, '') === bare),
  );
  if (exact.length > 0) return exact;
  const lower = bare.toLowerCase();
  return cards.filter(({ driverNames }) =>
    driverNames.some((known) => known.replace(BRAND, '').toLowerCase() === lower),
  );
}

function holds(card: GpuCard, totalMib: number | null): boolean {
  if (totalMib === null) return true;
  const capacities = [
    ...card.reportedMib.map(({ value }) => value),
    ...card.memoryGib.value.map((gib) => gib * 1024),
  ];
  return capacities.some((mib) => Math.abs(mib - totalMib) <= mib * MEMORY_TOLERANCE);
}

function sameFigures(a: GpuCard, b: GpuCard): boolean {
  return a.bandwidthGbs.value === b.bandwidthGbs.value && a.mobile === b.mobile;
}

/** What the driver of a card sold with `gib` would report, bytes; the sold size where nobody printed it. */
export function reportedBytes(card: GpuCard, gib: number): number {
  const sold = gib * 1024;
  const [reported] = card.reportedMib
    .map(({ value }) => value)
    .filter((mib) => Math.abs(mib - sold) <= sold * MEMORY_TOLERANCE);
  return reported === undefined ? gib * GIB : reported * 1024 * 1024;
}
