import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EstimateShare } from '../../src/contracts/estimate-share.ts';
import { NOTHING_ASKED } from '../../src/workflows/estimate-request.ts';
import type { EstimateRequest } from '../../src/workflows/estimate-request.ts';
import { mergeWorkflow, shareOf, shareWorkflow } from '../../src/workflows/estimate-share.ts';
import { estimateWorkflow, prepare } from '../../src/workflows/estimate.ts';
import { imageBytes } from '../helpers/images.ts';
import { serveContext } from '../helpers/serve-context.ts';

const VERSION = { version: '1.2.3' };
const REQUEST: EstimateRequest = {
  ...NOTHING_ASKED,
  paths: ['photos', 'gone.png'],
  images: ['1920x1080*7', '3000x20'],
  audios: ['30s*2', '1.7s'],
  texts: ['how many are there?'],
  models: ['gpt-4o,qwen2.5-vl-7b', 'qwen2.5-omni-7b'],
  outputTokens: 64,
  dedupe: true,
};

/** Photos of many sizes, some of them twice, one that is none, a text and a hidden file. */
async function folder() {
  const { ctx } = serveContext();
  const photos = join(ctx.cwd, 'photos', 'deep');
  mkdirSync(photos, { recursive: true });
  for (let index = 0; index < 40; index++) {
    const size = { width: 30 + ((index * 97) % 800), height: 20 + ((index * 61) % 600) };
    const photo = await imageBytes({ ...size, format: index % 5 === 0 ? 'tiff' : 'jpeg' });
    writeFileSync(join(index % 2 ? photos : join(photos, '..'), `p${index}.jpg`), photo);
    if (index % 9 === 0) writeFileSync(join(photos, `copy-of-${index}.jpg`), photo);
  }
  writeFileSync(join(photos, 'note.txt'), 'a few words\n'.repeat(50));
  writeFileSync(join(photos, 'broken.jpg'), Buffer.from([0xff, 0xd8, 0xff]));
  writeFileSync(join(photos, '.hidden'), 'x');
  return ctx;
}

type Asked = Awaited<ReturnType<typeof folder>>;

async function counted(ctx: Asked, request: EstimateRequest, of: number): Promise<string[]> {
  const files: string[] = [];
  const prepared = await prepare(request, ctx);
  for (let index = 0; index < of; index++) {
    const share = await shareOf({ ...request, shard: { index, of } }, prepared, VERSION, ctx);
    const name = `part-${of}-${index}.json`;
    writeFileSync(join(ctx.cwd, name), JSON.stringify(share));
    files.push(name);
  }
  return files;
}

function changed(ctx: Asked, share: object, change: Partial<EstimateShare>): string {
  const name = `changed-${JSON.stringify(change).length}.json`;
  writeFileSync(join(ctx.cwd, name), JSON.stringify({ ...share, ...change }));
  return name;
}

describe('shares of an estimate', () => {
  it.each([
    { requests: 'one', items: false },
    { requests: 'per-file', items: true },
  ] as const)('make the document of the whole, byte for byte ($requests)', async (mode) => {
    const ctx = await folder();
    const request = { ...REQUEST, ...mode };
    const whole = JSON.stringify(await estimateWorkflow(request, ctx), null, 2);
    expect(JSON.parse(whole)).toMatchObject({
      inputs: { unreadableCount: 2, images: expect.any(Number) as number },
      dedupe: { duplicates: 5 },
    });
    for (const of of [1, 2, 7, 64]) {
      // The order in which they are given does not matter.
      const files = (await counted(ctx, request, of)).reverse();
      const { estimate } = await mergeWorkflow(files, VERSION, ctx);
      expect(JSON.stringify(estimate, null, 2), `${of} shares`).toBe(whole);
    }
  });

  it('share the work out', async () => {
    const ctx = await folder();
    const shares = await counted(ctx, REQUEST, 4);
    expect(shares).toHaveLength(4);
    const sizes = await Promise.all(
      [0, 1, 2, 3].map(async (index) => {
        const share = await shareWorkflow({ ...REQUEST, shard: { index, of: 4 } }, VERSION, ctx);
        return share.counted.inputs.files;
      }),
    );
    expect(sizes.every((files) => files > 3)).toBe(true);
  });

  it('that are missing, doubled or of another job are refused', async () => {
    const ctx = await folder();
    const [one = '', two = '', three = ''] = await counted(ctx, REQUEST, 3);
    const merge = (...files: string[]) => mergeWorkflow(files, VERSION, ctx);
    await expect(merge(one, three)).rejects.toThrow('1 of 3 shares are missing: 1/3');
    await expect(merge(one, two, two, three)).rejects.toThrow(`share 1/3 comes twice: ${two}`);
    const other = { ...REQUEST, outputTokens: 65 };
    const share = await shareWorkflow({ ...other, shard: { index: 2, of: 3 } }, VERSION, ctx);
    const foreign = changed(ctx, share, {});
    await expect(merge(one, two, foreign)).rejects.toThrow('other settings, rules or prices');
    const relisted = changed(ctx, share, {
      digest: (await shareWorkflow({ ...REQUEST, shard: { index: 2, of: 3 } }, VERSION, ctx))
        .digest,
      counted: { ...share.counted, keys: '1-00000000' },
    });
    await expect(merge(one, two, relisted)).rejects.toThrow('another list of inputs');
    const [half = ''] = await counted(ctx, REQUEST, 2);
    await expect(merge(one, two, half)).rejects.toThrow('one of 2 shares');
    const files = [one, two, three];
    await expect(mergeWorkflow(files, { version: '9' }, ctx)).rejects.toThrow('other rules');
  });

  it('leave out nothing that was asked for', async () => {
    const { ctx } = serveContext();
    const asked = { ...REQUEST, exact: 'auto', shard: { index: 0, of: 2 } } as const;
    await expect(shareWorkflow(asked, VERSION, ctx)).rejects.toThrow('--exact');
  });

  it('that are no shares are named', async () => {
    const { ctx } = serveContext();
    writeFileSync(join(ctx.cwd, 'a.json'), '{"schema": "mmdeploy.estimate/v1"}');
    writeFileSync(join(ctx.cwd, 'b.json'), '{"schema":');
    const merge = (file: string) => mergeWorkflow([file], VERSION, ctx);
    await expect(merge('a.json')).rejects.toThrow('a.json: not a share of an estimate');
    await expect(merge('b.json')).rejects.toThrow('b.json: not JSON');
    await expect(merge('c.json')).rejects.toThrow('c.json: cannot be read');
  });
});
