import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { EncoderModel, TextModel } from '../contracts/model.ts';
import { writeGgufOnce } from '../gguf/write-file.ts';
import { encoderModel, textModel } from '../layout/model.ts';
import { encoderMetadata } from './encoder-metadata.ts';
import { textMetadata } from './metadata.ts';
import { DEMO_VOCABULARY, demoTokenizer } from './tokenizer.ts';
import { demoWeights } from './weights.ts';

export type DemoOptions = {
  /** Blocks of the vision tower; 2 by default. */
  readonly visionBlocks?: number;
  /** Width of the vision tower, a multiple of 64; 64 by default. */
  readonly visionWidth?: number;
  /** Width of its feed-forward layers; twice `visionWidth` by default. */
  readonly visionFeedForward?: number;
};

export type DemoFiles = { readonly model: string; readonly mmproj: string };

const EMBEDDING = 64;

/**
 * Writes the demo model, a LLaVA-1.5 in miniature (576 tokens an image, 0.6 MB for both files), into
 * `folder`, made if need be. Files that already hold these very bytes are left alone.
 */
export async function writeDemoModel(
  folder: string,
  options: DemoOptions = {},
): Promise<DemoFiles> {
  await mkdir(folder, { recursive: true });
  const text = demoText();
  const encoder = demoEncoder(options);
  const files = {
    model: join(folder, 'demo.gguf'),
    mmproj: join(folder, 'demo-mmproj.gguf'),
  };
  await writeGgufOnce(
    files.model,
    {
      metadata: [...textMetadata('mmdeploy demo', text), ...demoTokenizer()],
      tensors: text.tensors,
    },
    demoWeights,
  );
  await writeGgufOnce(
    files.mmproj,
    { metadata: encoderMetadata('mmdeploy demo', encoder), tensors: encoder.tensors },
    demoWeights,
  );
  return files;
}

function demoText(): TextModel {
  return textModel(
    {
      arch: 'llama',
      layers: 2,
      embedding: EMBEDDING,
      heads: 4,
      kvHeads: 2,
      headSize: EMBEDDING / 4,
      feedForward: 128,
      vocabulary: DEMO_VOCABULARY.length,
      tiedEmbeddings: false,
      qkvBias: false,
    },
    32768,
  );
}

function demoEncoder(options: DemoOptions): EncoderModel {
  const { visionBlocks = 2, visionWidth = EMBEDDING } = options;
  return encoderModel({
    projectorType: 'mlp',
    layers: visionBlocks,
    embedding: visionWidth,
    feedForward: options.visionFeedForward ?? 2 * visionWidth,
    heads: Math.max(4, visionWidth / 64),
    patchSize: 14,
    imageSize: 336,
    merge: 1,
    projectionDim: EMBEDDING,
  });
}
