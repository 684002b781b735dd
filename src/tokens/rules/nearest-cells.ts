import { z } from 'zod';
import { roundHalfAway } from '../../units.ts';
import type { TokenSettings } from '../settings.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z.strictObject({
  factor: z
    .int()
    .positive()
    .describe('patch size x merge: side of the square of one token, pixels'),
  maxTokens: z.int().positive(),
});
type Params = z.output<typeof params>;
type Cells = { readonly columns: number; readonly rows: number };

/**
 * Muse: of the four ways to round both sides to whole cells the one whose aspect ratio is nearest, of
 * equals the larger; float64 (llama.cpp b11118 mtmd-image.cpp, `muse_glimmer_grid_size`).
 */
export const nearestCells = defineTokenRule({
  id: 'nearest-cells',
  params,
  count: (size, use, settings) => {
    const { columns, rows } = cellsOf(size, use, settings);
    return { tokens: columns * rows, detail: `${columns}x${rows} cells of ${use.factor} px` };
  },
  resize: (size, use, settings) => {
    const { columns, rows } = cellsOf(size, use, settings);
    return { width: columns * use.factor, height: rows * use.factor };
  },
});

function cellsOf(size: ImageSize, use: Params, settings: TokenSettings): Cells {
  const most = settings.imageMaxTokens ?? use.maxTokens;
  const exact = exactCells(size, use.factor, most);
  const wanted = size.height / size.width;
  let best: Cells | null = null;
  let nearest = Number.POSITIVE_INFINITY;
  for (const rows of [Math.floor(exact.rows), Math.ceil(exact.rows)]) {
    for (const columns of [Math.floor(exact.columns), Math.ceil(exact.columns)]) {
      if (rows < 1 || columns < 1 || rows * columns > most) continue;
      const error = Math.abs(rows / columns - wanted);
      const larger = best !== null && rows * columns > best.rows * best.columns;
      if (error < nearest || (error === nearest && larger)) {
        best = { columns, rows };
        nearest = error;
      }
    }
  }
  const rounded = (cells: number) => Math.max(1, roundHalfAway(cells));
  return best ?? { columns: rounded(exact.columns), rows: rounded(exact.rows) };
}

function exactCells({ width, height }: ImageSize, factor: number, most: number): Cells {
  const cells = { columns: width / factor, rows: height / factor };
  if (cells.columns * cells.rows <= most) return cells;
  const ratio = cells.columns / cells.rows;
  const rows = Math.sqrt(most / ratio);
  return { columns: rows * ratio, rows };
}
