import type { FoundGpu } from '../outcome.ts';
import { pciAddress, reported } from '../values.ts';
import { nvidiaMemory } from './nvidia-log.ts';

/** What the fallback asks for; `compute_cap` is in no other report. */
export const CSV_FIELDS = [
  'index',
  'name',
  'uuid',
  'pci.bus_id',
  'memory.total',
  'memory.free',
  'memory.used',
  'driver_version',
  'compute_cap',
] as const;

export type CsvField = (typeof CSV_FIELDS)[number];
export type CsvRow = Readonly<Record<CsvField, string | null>>;

/** `--query-gpu=… --format=csv,noheader,nounits`: memory in MiB; lines with other columns are skipped. */
export function parseCsv(text: string, fields: readonly CsvField[] = CSV_FIELDS): CsvRow[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .filter((cells) => cells.length === fields.length && /^\d+$/.test(cells[0] ?? ''))
    .map((cells) => {
      const cell = (field: CsvField) => reported(cells[fields.indexOf(field)]);
      return Object.fromEntries(CSV_FIELDS.map((field) => [field, cell(field)])) as CsvRow;
    });
}

/** The rows as GPUs, for when the full log could not be read. MIG instances do not show here. */
export function gpusOfRows(rows: readonly CsvRow[], source: string): FoundGpu[] {
  return rows.map((row) => {
    const name = row.name ?? 'NVIDIA GPU';
    return {
      vendor: 'nvidia',
      name,
      uuid: row.uuid,
      pciId: pciAddress(row['pci.bus_id']),
      ...nvidiaMemory(name, row['memory.total'], row['memory.free']),
      backend: 'cuda',
      driverVersion: row.driver_version,
      runtimeVersion: null,
      computeCapability: row.compute_cap,
      mig: null,
      source,
    };
  });
}

/** Fills in the compute capability, which the full log lacks. */
export function withComputeCapability(
  gpus: readonly FoundGpu[],
  rows: readonly CsvRow[],
): FoundGpu[] {
  return gpus.map((gpu) => {
    const uuid = gpu.mig === null ? gpu.uuid : gpu.mig.parentUuid;
    const row = rows.find((candidate) => uuid !== null && candidate.uuid === uuid);
    return { ...gpu, computeCapability: row?.compute_cap ?? gpu.computeCapability };
  });
}
