import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPartReader } from '../../../../src/estimate/manifest/read-part.ts';
import type { ManifestPart } from '../../../../src/estimate/manifest/types.ts';
import { createReader } from '../../../../src/estimate/read/index.ts';
import { runCommand } from '../../../../src/process/run.ts';

const signal = new AbortController().signal;
const { TMPDIR } = process.env;
let scratch = '';
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'mmdeploy-parts-'));
  process.env['TMPDIR'] = scratch;
});
afterEach(() => {
  if (TMPDIR === undefined) Reflect.deleteProperty(process.env, 'TMPDIR');
  else process.env['TMPDIR'] = TMPDIR;
});

type Bytes = Extract<ManifestPart, { kind: 'bytes' }>;
const part = (bytes: Uint8Array, facts: Partial<Bytes> = {}): Bytes => ({
  ...{ kind: 'bytes', name: 'a', bytes, whole: true, mediaType: null },
  ...{ modality: null, count: 1, detail: null, ...facts },
});

async function read(given: Bytes) {
  const reader = createReader({ decode: false, pdfDpi: 150, run: runCommand, signal });
  const parts = createPartReader({ reader, remote: null, signal });
  try {
    return await parts.read(given);
  } finally {
    await parts.close();
    expect(readdirSync(scratch)).toEqual([]);
  }
}

const picture = (format: 'png' | 'jpeg' | 'gif' | 'webp' | 'avif') =>
  sharp({ create: { width: 30, height: 20, channels: 3, background: '#fff' } })
    .toFormat(format)
    .toBuffer();

/** One second of silence: 8000 samples of 8 bits. */
function wave(): Buffer {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + 8000, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(8000, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write('data', 36);
  head.writeUInt32LE(8000, 40);
  return Buffer.concat([head, Buffer.alloc(8000, 128)]);
}

describe('bytes of a manifest', () => {
  it.each(['png', 'jpeg', 'gif', 'webp', 'avif'] as const)('reads a whole %s', async (format) => {
    const found = await read(part(await picture(format), { count: 3, detail: 'low' }));
    expect(found).toMatchObject([{ input: 'a', width: 30, height: 20, count: 3, detail: 'low' }]);
  });

  it('reads a sound', async () => {
    expect(await read(part(wave(), { modality: 'audio' }))).toMatchObject([
      { modality: 'audio', seconds: 1, count: 1 },
    ]);
  });

  it.each(['png', 'jpeg', 'webp', 'avif'] as const)(
    'knows the size of a %s by its start',
    async (format) => {
      const found = await read(part(await picture(format), { whole: false }));
      expect(found).toMatchObject([{ modality: 'image', width: 30, height: 20 }]);
    },
  );

  it('does not guess how many frames a GIF has', async () => {
    const found = await read(part(await picture('gif'), { whole: false }));
    expect(found).toEqual([
      { path: 'a', reason: 'how many frames it has is not in its first MiB (gif)' },
    ]);
  });

  it.each([
    ['audio', 'a picture, not a sound as given'],
    ['document', 'a picture, not a document as given'],
  ] as const)('does not take a picture for %s', async (modality, reason) => {
    expect(await read(part(await picture('png'), { modality }))).toEqual([{ path: 'a', reason }]);
  });

  it('lists what cannot be read', async () => {
    const [found] = await read(part(Buffer.from('\x89PNG\r\n\x1a\n0000', 'latin1')));
    expect(found).toMatchObject({ path: 'a', reason: expect.any(String) });
  });
});
