import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { partFile, requireSpace } from '../../../src/quantize/part-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmdeploy-part-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a file in the making', () => {
  it('takes its place in one step, under a name that no model has until then', async () => {
    const target = join(folder, 'a.gguf');
    const part = await partFile(target, false);
    writeFileSync(part.path, 'whole');
    expect(readdirSync(folder).filter((name) => name.endsWith('.gguf'))).toEqual([]);
    await part.finish();
    await part.discard();
    expect(readdirSync(folder)).toEqual(['a.gguf']);
    expect(readFileSync(target, 'utf8')).toBe('whole');
  });

  it('does not replace what came there meanwhile, unless it may', async () => {
    const target = join(folder, 'a.gguf');
    const part = await partFile(target, false);
    writeFileSync(part.path, 'mine');
    writeFileSync(target, 'theirs');
    await expect(part.finish()).rejects.toMatchObject({ code: 'input.invalid' });
    await part.discard();
    expect(readFileSync(target, 'utf8')).toBe('theirs');
    const forced = await partFile(target, true);
    writeFileSync(forced.path, 'mine');
    await forced.finish();
    expect(readFileSync(target, 'utf8')).toBe('mine');
  });

  it('removes what a killed run left of the same target, and nothing else', async () => {
    // No process has this id: the kernel's are at most 2^22.
    const dead = '.a.gguf.99999999-00ff00ff.part';
    const alive = `.a.gguf.${process.pid}-00ff00ff.part`;
    const other = '.b.gguf.99999999-00ff00ff.part';
    for (const name of [dead, alive, other]) writeFileSync(join(folder, name), '');
    await partFile(join(folder, 'a.gguf'), false);
    expect(readdirSync(folder).sort()).toEqual([alive, other].sort());
  });
});

describe('room on the disk', () => {
  it('is asked for before anything is written', async () => {
    await expect(requireSpace(folder, 1)).resolves.toBeUndefined();
    await expect(requireSpace(folder, 2 ** 60)).rejects.toMatchObject({
      code: 'system.refused',
      message: expect.stringMatching(/1073741824\.00 GiB are needed, .* GiB are free/),
    });
  });
});
