import type { Gpu, Probe } from '../contracts/machine.ts';

/** A GPU before all probes are merged and numbered. */
export type FoundGpu = Omit<Gpu, 'id'> & {
  /** The driver's number of its board, where others may be hidden; absent: its place in the list. */
  readonly number?: number;
};

/** What one probe learnt. */
export type ProbeOutcome = {
  readonly probes: readonly Probe[];
  /** In the order in which the driver numbers them. */
  readonly gpus: readonly FoundGpu[];
  /** For the person: what is wrong and what to do about it. */
  readonly warnings: readonly string[];
};

export const NOTHING: ProbeOutcome = { probes: [], gpus: [], warnings: [] };

/** A probe that found no GPU, and why. */
export function noGpus(probe: Probe, warnings: readonly string[] = []): ProbeOutcome {
  return { probes: [probe], gpus: [], warnings };
}
