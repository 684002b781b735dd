import { z } from 'zod';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

type Grid = { readonly columns: number; readonly rows: number };

const tile = {
  imageSize: z.int().positive().describe('side of one tile, pixels'),
  patchSize: z.int().positive(),
  merge: z.int().positive().default(1),
};

/**
 * InternVL as llama.cpp cuts it, which is not how transformers does: among all grids of minTiles to
 * maxTiles the one that keeps most of the picture's own pixels, then an overview; a picture that fits
 * into one tile is not cut (llama.cpp b11118: `set_internvl_dhr_res_candidates` in clip.cpp,
 * `select_best_resolution` in mtmd-image.cpp).
 */
export const internvlEffective = defineTokenRule({
  id: 'internvl-effective',
  params: z
    .strictObject({ ...tile, minTiles: z.int().positive(), maxTiles: z.int().positive() })
    .refine(({ minTiles, maxTiles }) => minTiles <= maxTiles, 'minTiles exceeds maxTiles'),
  count: (size, use) => countTiles(gridOf(size, use.imageSize, internvlGrids(use)), use),
  resize: (size, use) =>
    resizeToGrid(gridOf(size, use.imageSize, internvlGrids(use)), use.imageSize),
});

/** LLaVA-1.6 and Llama 4 in llama.cpp: the same choice among the grids the projector lists. */
export const llavaUhd = defineTokenRule({
  id: 'llava-uhd',
  params: z.strictObject({
    ...tile,
    grids: z
      .array(z.strictObject({ columns: z.int().positive(), rows: z.int().positive() }))
      .min(1)
      .describe('in the order of the projector file: the first of equals wins'),
  }),
  count: (size, use) => countTiles(gridOf(size, use.imageSize, use.grids), use),
  resize: (size, use) => resizeToGrid(gridOf(size, use.imageSize, use.grids), use.imageSize),
});

function internvlGrids({ minTiles, maxTiles }: { minTiles: number; maxTiles: number }): Grid[] {
  const grids: Grid[] = [];
  for (let columns = minTiles; columns <= maxTiles; columns++) {
    const least = Math.max(Math.ceil(minTiles / columns), minTiles);
    const most = Math.min(Math.floor(maxTiles / columns), maxTiles);
    for (let rows = least; rows <= most; rows++) grids.push({ columns, rows });
  }
  return grids;
}

/** Null when one tile holds the picture. */
function gridOf(size: ImageSize, side: number, grids: readonly Grid[]): Grid | null {
  return size.width <= side && size.height <= side ? null : mostEffectiveGrid(size, side, grids);
}

/** The grid with most effective pixels, then least waste (`select_best_resolution`); null: none has any. */
export function mostEffectiveGrid(
  size: ImageSize,
  side: number,
  grids: readonly Grid[],
): Grid | null {
  let best: Grid | null = null;
  let bestPixels = 0;
  let leastWaste = Number.POSITIVE_INFINITY;
  for (const grid of grids) {
    const pixels = effectivePixels(size, grid.columns * side, grid.rows * side);
    const waste = grid.columns * side * grid.rows * side - pixels;
    if (pixels > bestPixels || (pixels === bestPixels && waste < leastWaste)) {
      best = grid;
      bestPixels = pixels;
      leastWaste = waste;
    }
  }
  return best;
}

/** float32 as in C: the truncation that follows turns its last bit into a whole pixel. */
function effectivePixels({ width, height }: ImageSize, maxWidth: number, maxHeight: number) {
  const scale = Math.min(Math.fround(maxWidth / width), Math.fround(maxHeight / height));
  const scaled = Math.trunc(Math.fround(width * scale)) * Math.trunc(Math.fround(height * scale));
  return Math.min(scaled, width * height);
}

type Tile = { readonly imageSize: number; readonly patchSize: number; readonly merge: number };

function countTiles(grid: Grid | null, { imageSize, patchSize, merge }: Tile) {
  const side = Math.floor(imageSize / patchSize);
  const perTile = Math.floor((side * side) / (merge * merge));
  const tiles = grid === null ? 0 : grid.columns * grid.rows;
  const cut = grid === null ? '' : `${grid.columns}x${grid.rows} tiles + `;
  return { tokens: (tiles + 1) * perTile, detail: `${cut}overview, ${perTile} tokens each` };
}

function resizeToGrid(grid: Grid | null, side: number) {
  return grid === null
    ? { width: side, height: side }
    : {
        width: grid.columns * side,
        height: grid.rows * side,
        tiles: { ...grid, thumbnail: true },
      };
}
