import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Estimate } from '../../src/contracts/estimate.ts';
import type { Metadata } from '../../src/demo/tokenizer.ts';
import { mmdeploy } from '../helpers/cli.ts';
import { small } from '../helpers/encoders.ts';
import { writeSmallPair } from '../helpers/small-pair.ts';

const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-unknown-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

it('a projector that nobody knows has no count, which is never 0', async () => {
  const named: Metadata = [
    ['clip.projector_type', { type: 'string', value: 'of_next_year' }],
    ['clip.vision.projector_type', { type: 'string', value: 'of_next_year' }],
  ];
  const dims = small({ projectorType: 'mlp', imageSize: 336 });
  const { model } = await writeSmallPair(folder, dims, named);
  const argv = ['estimate', '--image', '640x480', '--model', model, '-o', 'json'];
  const { stdout, stderr, code } = await mmdeploy(argv, { cwd: folder });
  expect(code, stderr).toBe(0);
  const [entry] = (JSON.parse(stdout) as Estimate).models;
  expect(entry).toMatchObject({ confidence: 'unknown', uncounted: 1, range: null });
  expect(entry?.tokens.total).toBeNull();
  expect(entry?.tokens.image).toBeNull();
});
