import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import { audioRuleOf } from '../../src/layout/audio-rule.ts';
import { encoderFromGguf } from '../../src/layout/describe-encoder.ts';
import { describeGguf } from '../../src/layout/describe-gguf.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { imageRuleOf } from '../../src/layout/token-rule.ts';
import { GatewayError } from '../../src/serve/gateway/errors.ts';
import type { MediaRules } from '../../src/serve/media/rules.ts';
import type { PreparedMedia } from '../../src/serve/seams.ts';
import { audioFrames } from '../../src/tokens/rules/audio.ts';
import { findTokenRule } from '../../src/tokens/rules/index.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../src/tokens/settings.ts';
import { bmpBytes } from '../helpers/bmp.ts';
import { small } from '../helpers/encoders.ts';
import { engineCounts } from '../helpers/exactness.ts';
import { startLlama, type RunningLlama } from '../helpers/llama.ts';
import { mp3Bytes, wavBytes } from '../helpers/media.ts';
import { llavaRules, preparing, sent } from '../helpers/media-preparer.ts';
import { pdfBytes } from '../helpers/pdf.ts';
import { writeSmallPair } from '../helpers/small-pair.ts';
import { oddFiles } from '../reliability/odd-files.ts';

const llamaServer = inject('llamaServer');

/** An engine with a small model of this shape, which reads files of the folder. */
async function engineFor(dims: EncoderDims, mediaPath: string) {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-firewall-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { model, mmproj } = await writeSmallPair(folder, dims);
  const args = ['-m', model, '--mmproj', mmproj, '-c', '32768', '-np', '1', '--no-warmup'];
  const llama = await startLlama(llamaServer ?? '', [...args, '--media-path', mediaPath]);
  onTestFinished(llama.stop);
  return { llama, model, mmproj };
}

function rulesOf(model: string, mmproj: string): MediaRules {
  const described = describeGguf(
    'small',
    readGgufHeader(model),
    readGgufHeader(mmproj),
    imageRuleOf,
  );
  const use = described.imageTokens['llama.cpp']!;
  const rule = findTokenRule(use.rule)!.bind(use.params);
  const settings = DEFAULT_TOKEN_SETTINGS;
  return {
    ...llavaRules(),
    image: { rule, settings },
    imageTokens: (size) => ({
      media: rule.count(size, settings).tokens,
      wrapper: use.wrapper.tokens,
      confidence: 'formula',
    }),
  };
}

const partOf = ({ kind, url }: PreparedMedia) =>
  kind === 'image'
    ? { type: 'image_url', image_url: { url } }
    : { type: 'input_audio', input_audio: { data: url, format: 'wav' } };

async function countsOf(llama: RunningLlama, media: readonly PreparedMedia[]) {
  return engineCounts(
    llama,
    media.map((each) => () => Promise.resolve(partOf(each))),
  );
}

const expected = ({ tokens }: PreparedMedia) => (tokens?.media ?? NaN) + (tokens?.wrapper ?? NaN);

const SHAPES: [string, EncoderDims][] = [
  ['Qwen2.5-VL', small({ projectorType: 'qwen2.5vl_merger', imageSize: 560, merge: 2 })],
  ['InternVL', small({ projectorType: 'internvl', imageSize: 448, merge: 2 })],
];

describe.skipIf(llamaServer === null)('what the firewall hands to the real engine', () => {
  it.each(SHAPES)(
    '%s: 100 malformed files are counted as the rule says, or refused',
    async (_, dims) => {
      const setup = preparing();
      const { llama, model, mmproj } = await engineFor(dims, setup.stores.folder);
      const { prepare } = preparing({ stores: setup.stores, rules: rulesOf(model, mmproj) });
      const before = process.memoryUsage().rss;
      const refused: number[] = [];
      const prepared: PreparedMedia[] = [];
      for await (const { kind, bytes } of oddFiles(20_261_122, 100)) {
        const outcome = await prepare([bytes]).catch((error: unknown) => error);
        if (Array.isArray(outcome)) prepared.push(...(outcome as PreparedMedia[][]).flat());
        else {
          expect(outcome, kind).toBeInstanceOf(GatewayError);
          refused.push((outcome as GatewayError).status);
        }
      }
      expect(refused.every((status) => status === 400 || status === 413)).toBe(true);
      expect(refused.length).toBeGreaterThan(30);
      expect(prepared.length).toBeGreaterThan(20);
      expect(await countsOf(llama, prepared)).toEqual(prepared.map(expected));
      expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024);
    },
  );

  it('is counted as the original was, from a pixel to a poster', async () => {
    const [[, dims]] = SHAPES as [[string, EncoderDims]];
    const setup = preparing();
    const { llama, model, mmproj } = await engineFor(dims, setup.stores.folder);
    const rules = rulesOf(model, mmproj);
    const { prepare } = preparing({ stores: setup.stores, rules });
    const sizes = [
      ...[
        [1, 1],
        [30, 29],
        [3000, 40],
        [1920, 1080],
        [1080, 1920],
        [4032, 3024],
        [5000, 700],
      ],
    ] as const;
    for (const [width = 0, height = 0] of sizes) {
      const create = { width, height, channels: 3, background: '#246' } as const;
      const file = await sharp({ create }).jpeg().toBuffer();
      const [[media] = []] = await prepare([file]);
      const [count] = await countsOf(llama, [media!]);
      const original = rules.imageTokens({ width, height })!;
      expect(count, `${width}x${height}`).toBe(original.media + original.wrapper);
    }
    const others = await prepare([
      Buffer.from(bmpBytes({ width: 300, height: 200, bits: 24 })),
      pdfBytes([{ width: 300, height: 400, text: 'x' }]),
    ]);
    expect(await countsOf(llama, others.flat())).toEqual(others.flat().map(expected));
  });

  it('is a sound of as many tokens as the rule says', async () => {
    const setup = preparing();
    const dims: EncoderDims = {
      ...{ projectorType: 'qwen2a', layers: 1, embedding: 64, feedForward: 128, heads: 2 },
      ...{ patchSize: 0, imageSize: 0, merge: 1, projectionDim: 128, melBins: 128 },
    };
    const { llama, mmproj } = await engineFor(dims, setup.stores.folder);
    const use = audioRuleOf(encoderFromGguf(readGgufHeader(mmproj)), mmproj)!;
    const rule = audioFrames.bind(use.params);
    const { prepare } = preparing({
      stores: setup.stores,
      rules: {
        ...llavaRules(),
        audioTokens: (samples) => ({
          media: rule.count(samples / 16_000).tokens,
          wrapper: use.wrapper.tokens,
          confidence: 'formula',
        }),
      },
    });
    const files = [
      wavBytes({ frames: 44_100, rate: 44_100, channels: 2 }),
      wavBytes({ frames: 12_345, rate: 8000 }),
      wavBytes({ frames: 500_001, rate: 16_000 }),
      mp3Bytes(200),
    ];
    const found = (await prepare(files.map((file, at) => sent(file, 'audio', at)))).flat();
    expect(await countsOf(llama, found)).toEqual(found.map(expected));
  });
});
