/** Colours as functions, passed in by the CLI so that every report is a pure string function. */
export type Palette = {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
};

const same = (text: string): string => text;

/** No colour: for pipes, `NO_COLOR`, files and tests. */
export const PLAIN: Palette = { bold: same, dim: same, good: same, warn: same, bad: same };

/** How results are shown; every report takes the part of it that it needs. */
export type View = {
  readonly palette: Palette;
  /** Boxes around tables, on a terminal of so many columns; false in a pipe. */
  readonly boxes: number | false;
  /** Only the result line. */
  readonly quiet: boolean;
  /** Every number with its formula and basis. */
  readonly explain: boolean;
};
