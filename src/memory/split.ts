import type { LaunchSettings } from './types.ts';

/** Where each block runs: an index into the GPUs, or null for the CPU. The last entry is the output layer. */
export type LayerPlacement = readonly (number | null)[];

/**
 * Places the blocks as llama.cpp does (`llama-model.cpp`, `load_tensors`): the last `gpuLayers` of the
 * `layers + 1` (the output layer counts as one) go to the GPUs, in order, each GPU getting the share
 * that its weight has in the sum of all (its free memory, or `--tensor-split`).
 */
export function placeLayers(
  layers: number,
  gpuWeights: readonly number[],
  settings: Pick<LaunchSettings, 'gpuLayers'>,
): LayerPlacement {
  const total = gpuWeights.reduce((sum, weight) => sum + weight, 0);
  const onGpu = Math.min(settings.gpuLayers, layers + 1);
  if (total <= 0 || onGpu <= 0) return Array.from({ length: layers + 1 }, () => null);
  const bounds = cumulativeShares(gpuWeights, total);
  const first = Math.max(layers + 1 - onGpu, 0);
  return Array.from({ length: layers + 1 }, (_, layer) => {
    if (layer < first) return null;
    // llama.cpp computes both sides in float32; upper_bound takes the first bound above the share.
    const share = Math.fround((layer - first) / onGpu);
    const gpu = bounds.findIndex((bound) => bound > share);
    return gpu === -1 ? gpuWeights.length - 1 : gpu;
  });
}

function cumulativeShares(weights: readonly number[], total: number): number[] {
  let running = 0;
  return weights.map((weight) => {
    running += weight;
    return Math.fround(running / total);
  });
}

/** Number of blocks (output layer not counted) on the device `gpu`, or on the CPU for null. */
export function layersOn(placement: LayerPlacement, gpu: number | null): number {
  return placement.slice(0, -1).filter((where) => where === gpu).length;
}
