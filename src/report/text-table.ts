import Table from 'cli-table3';

export type TextTable = {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Alignment of each column; left where it is not given. */
  readonly align?: readonly ('left' | 'right')[];
};

const NO_BOXES = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
};

/**
 * Columns lined up, with boxes only on a terminal that is wide enough for them: piped output stays easy
 * to cut, and a frame that the terminal breaks is worse than none. `boxes` is that terminal's width in
 * columns, or false. No colour of its own; lines end without trailing blanks.
 */
export function textTable(table: TextTable, boxes: number | false): string {
  const plain = draw(table, false);
  if (boxes === false) return plain;
  const boxed = draw(table, true);
  return boxed.indexOf('\n') > boxes ? plain : boxed;
}

function draw(table: TextTable, boxes: boolean): string {
  const align = table.head.map((_, column) => table.align?.[column] ?? 'left');
  const drawn = new Table({
    head: [...table.head],
    colAligns: align,
    style: boxes
      ? { head: [], border: [], compact: true }
      : { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    ...(boxes ? {} : { chars: NO_BOXES }),
  });
  drawn.push(...table.rows.map((row) => [...row]));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
