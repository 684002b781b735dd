import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { ManifestFormat, ManifestRow } from '../../../../src/estimate/manifest/index.ts';
import { manifestRows } from '../../../../src/estimate/manifest/index.ts';

const page = readFileSync(new URL('../../../../docs/manifests.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/```(jsonl|csv)\n([\s\S]*?)```/g)].map(
  ([, format = '', text = '']) => [format as ManifestFormat, text] as const,
);

describe('docs/manifests.md', () => {
  it.each(blocks)('every line of its %s is read', async (format, text) => {
    const rows: ManifestRow[] = [];
    const stdin = () => Readable.from([Buffer.from(text)]);
    for await (const batch of manifestRows('-', { cwd: '/', stdin, format })) rows.push(...batch);
    const lines = text.trim().split('\n').length - (format === 'csv' ? 1 : 0);
    expect(rows.map(({ problem }) => problem)).toEqual(Array.from({ length: lines }, () => null));
    expect(rows.every(({ parts }) => parts.length > 0)).toBe(true);
  });

  it('has examples of each form', () => {
    expect(blocks.map(([format]) => format)).toEqual(['jsonl', 'jsonl', 'csv']);
  });
});
