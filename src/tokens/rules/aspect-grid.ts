import type { ImageSize } from './define.ts';

type Grid = { readonly columns: number; readonly rows: number };
type Tiles = {
  readonly imageSize: number;
  readonly minTiles: number;
  readonly maxTiles: number;
};

/**
 * The grid whose aspect ratio is nearest to the picture's (`find_closest_aspect_ratio` of InternVL, LFM2-VL
 * and DeepSeek-OCR). On a tie the later, larger grid wins when the picture has more than half of its pixels.
 */
export function closestGrid({ width, height }: ImageSize, tiles: Tiles): Grid {
  const { imageSize, minTiles, maxTiles } = tiles;
  let best: Grid = { columns: 1, rows: 1 };
  let nearest = Number.POSITIVE_INFINITY;
  for (const grid of aspectGrids(minTiles, maxTiles)) {
    const difference = Math.abs(width / height - grid.columns / grid.rows);
    const half = 0.5 * imageSize * imageSize * grid.columns * grid.rows;
    if (difference < nearest || (difference === nearest && width * height > half)) best = grid;
    nearest = Math.min(nearest, difference);
  }
  return best;
}

/** Every grid of minTiles to maxTiles tiles, fewest tiles first, narrow before wide. */
function aspectGrids(minTiles: number, maxTiles: number): Grid[] {
  const grids: Grid[] = [];
  for (let tiles = minTiles; tiles <= maxTiles; tiles++) {
    for (let columns = 1; columns <= tiles; columns++) {
      if (tiles % columns === 0) grids.push({ columns, rows: tiles / columns });
    }
  }
  return grids;
}
