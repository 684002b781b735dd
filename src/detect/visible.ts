import type { FoundGpu } from './outcome.ts';

export type Visible = {
  readonly gpus: readonly FoundGpu[];
  readonly warnings: readonly string[];
};

/**
 * What `CUDA_VISIBLE_DEVICES` (or HIP's like) leaves, in its order: indices, UUIDs or their beginnings,
 * up to the first entry that names nothing; an empty value hides all. As the CUDA programming guide's
 * table of environment variables says; unset is all. Each keeps the number of its board.
 */
export function visibleGpus(
  gpus: readonly FoundGpu[],
  variable: string,
  value: string | undefined,
): Visible {
  if (value === undefined || gpus.length === 0) return { gpus, warnings: [] };
  const boards = boardsOf(gpus);
  const left: FoundGpu[] = [];
  for (const entry of value.split(',').map((text) => text.trim())) {
    const gpu = /^\d+$/.test(entry) ? boards[Number(entry)]?.[0] : byUuid(gpus, entry);
    if (gpu === undefined || left.includes(gpu)) break;
    left.push(gpu);
  }
  const count = `${left.length} of ${gpus.length} GPUs`;
  return {
    gpus: left.map((gpu) => ({ ...gpu, number: boards.findIndex((all) => all.includes(gpu)) })),
    warnings: [`${variable}="${value}" is set: ${count} used; \`unset ${variable}\` for all`],
  };
}

/** GPUs by board: an index means the board, and of a board in MIG mode its first instance. */
function boardsOf(gpus: readonly FoundGpu[]): FoundGpu[][] {
  const boards = new Map<string, FoundGpu[]>();
  gpus.forEach((gpu, position) => {
    const board = gpu.mig?.parentUuid ?? gpu.uuid ?? `position ${position}`;
    boards.set(board, [...(boards.get(board) ?? []), gpu]);
  });
  return [...boards.values()];
}

function byUuid(gpus: readonly FoundGpu[], entry: string): FoundGpu | undefined {
  if (!/^(?:GPU|MIG)-/i.test(entry)) return undefined;
  const starts = (uuid: string | null | undefined) =>
    uuid?.toLowerCase().startsWith(entry.toLowerCase()) === true;
  const matches = gpus.filter((gpu) => starts(gpu.uuid) || starts(gpu.mig?.parentUuid));
  return matches[0];
}
