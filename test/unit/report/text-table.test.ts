import { describe, expect, test } from 'vitest';
import { textTable } from '../../../src/report/text-table.ts';

describe('textTable', () => {
  const table = {
    head: ['name', 'GiB'],
    align: ['left', 'right'] as const,
    rows: [['gpu0', '1.5']],
  };

  test('no boxes in a pipe, and no blanks at the end of a line', () => {
    expect(textTable(table, false)).toBe('name  GiB\ngpu0  1.5');
  });

  test('boxes on a terminal that is wide enough, and only there', () => {
    const boxed = textTable(table, 80);
    const width = boxed.indexOf('\n');
    expect(boxed).toContain('│ gpu0 │');
    expect(textTable(table, width)).toBe(boxed);
    expect(textTable(table, width - 1)).toBe(textTable(table, false));
  });
});
