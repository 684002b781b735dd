import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { estimateSchema } from '../../src/contracts/estimate-schema.ts';
import { mmdeploy } from '../helpers/cli.ts';
import { imageBytes, imageFolder } from '../helpers/images.ts';

const report = async (...argv: string[]) => {
  const { code, stdout, stderr } = await mmdeploy(['estimate', ...argv, '-o', 'json']);
  return { code, stdout, stderr, document: JSON.parse(stdout) as unknown };
};
const faultsOf = (document: unknown) =>
  estimateSchema
    .safeParse(document)
    .error?.issues.map(({ path, message }) => [path.join('.'), message]);

describe('the schema of the report', () => {
  it.each([
    ['files, one of them broken', ['FOLDER', '--model', 'gpt-4o,llava-1.5-7b', '--dedupe']],
    [
      'sound and film',
      ['--audio', '30s', '--video', '10s@1280x720', '--model', 'gemini-2.5-flash'],
    ],
    ['an unknown count', ['--audio', '30s', '--model', 'gpt-4o', '--items']],
    [
      'terms and limits',
      [
        ...['--image', '640x480*9', '--model', 'gpt-5.4,qwen2.5-vl-7b', '--compare', '--batch'],
        ...['--cached-input-tokens', '40%', '--max-tokens', '1000000', '--output-tokens', '20'],
        ...['--gpu-price-per-hour', '2', '--tokens-per-second', '5000,500'],
      ],
    ],
  ])('holds for %s', async (_, argv) => {
    const folder = imageFolder();
    folder.add('a.png', await imageBytes({ width: 640, height: 480, format: 'png' }));
    folder.add('cut.png', 'no picture');
    const words = argv.map((word) => (word === 'FOLDER' ? folder.path : word));
    const { code, document } = await report(...words);
    expect(code).toBe(0);
    expect(faultsOf(document)).toBeUndefined();
  });

  it('holds for a report against a baseline, and not for anything else', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'mmdeploy-baseline-')), 'base.json');
    const model = ['--model', 'gpt-4o,gpt-4o-mini'];
    const { stdout } = await report('--image', '640x480', ...model);
    writeFileSync(file, stdout);
    const grown = await report(
      '--image',
      '640x480*2',
      ...model,
      '--baseline',
      file,
      '--max-growth',
      '10%',
    );
    expect(grown.code).toBe(4);
    expect(faultsOf(grown.document)).toBeUndefined();
    expect(JSON.parse(grown.stderr)).toMatchObject({ error: { code: 'budget.exceeded' } });
    expect(faultsOf({ ...(grown.document as object), schema: 'mmdeploy.plan/v1' })).toHaveLength(1);
    expect(faultsOf({ ...(grown.document as object), more: 1 })).toHaveLength(1);
  });
});

describe('limits on the command line', () => {
  const image = ['estimate', '--image', '640x480', '--model', 'gpt-4o'];

  it.each([
    [['--max-tokens', '425'], 0, ''],
    [['--max-tokens', '424'], 4, 'takes 425 tokens, and --max-tokens allows 424'],
    [['--max-usd', 'gpt-4o=0.001'], 4, 'takes 0.001063 dollars'],
    [['--max-usd', 'gpt-5=1'], 2, '`gpt-5` is not estimated'],
    [['--max-usd', 'much'], 2, 'is no limit'],
    [['--max-growth', '5%'], 2, 'needs a baseline'],
    [['--baseline', 'no-such.json'], 5, 'no such file'],
    [['--baseline', 'package.json'], 2, 'is not an earlier report'],
  ])('%j: exit %i', async (flags, exit, message) => {
    const { code, stdout, stderr } = await mmdeploy([...image, ...flags]);
    expect(code).toBe(exit);
    expect(stderr).toContain(message);
    // Over a limit, the report is printed all the same.
    expect(stdout.includes('425')).toBe([0, 4].includes(exit));
  });

  it('says what a price without a profile is good for', async () => {
    const { code, stderr } = await mmdeploy([
      'estimate',
      '--image',
      '1x1',
      '--model',
      'openai/o3-pro',
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain('has a price but no profile');
    expect(stderr).toContain('--price-per-1k 0.02,0.08');
  });

  it('prints CSV and Markdown by -o, for this command only', async () => {
    const csv = await mmdeploy([...image, '-o', 'csv']);
    expect(csv.stdout.split('\r\n')[1]).toMatch(/^gpt-4o,api,425,/);
    const markdown = await mmdeploy([...image, '-o', 'markdown']);
    expect(markdown.stdout).toContain('| gpt-4o | api | 425 |');
    expect((await mmdeploy(['models', '-o', 'csv'])).code).toBe(2);
  });
});
