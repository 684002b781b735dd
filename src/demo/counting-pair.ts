import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { EncoderModel, TensorInfo, TokenRuleUse } from '../contracts/model.ts';
import type { GgufValue } from '../gguf/types.ts';
import { writeGguf } from '../gguf/write-file.ts';
import { textModel } from '../layout/model.ts';
import { projectorTensors } from '../layout/projector-file.ts';
import { encoderMetadata } from './encoder-metadata.ts';
import { count } from './gguf-values.ts';
import { textMetadata } from './metadata.ts';
import type { Metadata } from './tokenizer.ts';
import { COUNTING_VOCABULARY, countingTokenizer } from './tokenizer.ts';

export type CountingPair = { readonly model: string; readonly mmproj: string };

/** Larger than any prompt that is counted need be; a count beyond it is answered, too. */
const CONTEXT = 32_768;

/** Blocks that are left of a tower: no count depends on them. */
const BLOCKS = 1;
const BLOCK = /^[va]\.blk\.(\d+)\./;

/**
 * Files that llama.cpp counts with like with a model's own: its projector, with one block and holes for
 * weights, before a language model of one block whose vocabulary has every mark around images and clips
 * as one token. `use` is the rule of its images, which holds what the projector's keys would say.
 */
export async function writeCountingPair(
  encoder: EncoderModel,
  use: TokenRuleUse | null,
  folder: string,
): Promise<CountingPair> {
  await mkdir(folder, { recursive: true });
  const files = {
    model: join(folder, 'counting.gguf'),
    mmproj: join(folder, 'counting-mmproj.gguf'),
  };
  const text = smallText(encoder);
  const metadata = [...textMetadata('mmdeploy counting', text), ...countingTokenizer()];
  await writeGguf(files.model, { metadata, tensors: text.tensors }, null);
  const cut = cutTower(encoder);
  const own = use === null ? [] : keysOf(use, encoder.projectorType);
  const known = new Set(own.map(([key]) => key));
  const usual = encoderMetadata('mmdeploy counting', cut).filter(([key]) => !known.has(key));
  await writeGguf(
    files.mmproj,
    { metadata: [...usual, ...own], tensors: projectorTensors(cut) },
    null,
  );
  return files;
}

function smallText({ projectorType, projectionDim }: EncoderModel) {
  // Hunyuan's images have places in three dimensions: the engine aborts on a text model without them.
  const arch = projectorType === 'hunyuanvl' ? 'qwen2vl' : 'llama';
  const heads = Math.max(1, Math.floor(projectionDim / 64));
  return textModel(
    {
      ...{ arch, layers: 1, embedding: projectionDim, heads, kvHeads: 1 },
      ...{ headSize: 64, feedForward: 64, vocabulary: COUNTING_VOCABULARY.length },
      ...{ tiedEmbeddings: true, qkvBias: arch === 'qwen2vl' },
    },
    CONTEXT,
  );
}

function cutTower(encoder: EncoderModel): EncoderModel {
  const { audio } = encoder;
  const kept = (tensors: readonly TensorInfo[]) =>
    tensors.filter(({ name }) => Number(BLOCK.exec(name)?.[1] ?? 0) < BLOCKS);
  const cut = {
    ...encoder,
    layers: Math.min(encoder.layers, BLOCKS),
    tensors: kept(encoder.tensors),
    ...(encoder.mergerBlock === undefined ? {} : { mergerBlock: 0 }),
    ...(encoder.wholeBlocks === undefined ? {} : { wholeBlocks: [0] }),
    ...(encoder.featureLayers === undefined ? {} : { featureLayers: [BLOCKS] }),
  };
  return audio === undefined ? cut : { ...cut, audio: cutTower(audio) };
}

/** Which key of a projector file holds a parameter of its rule. */
const KEYS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'deepseek-ocr': { minTiles: 'preproc_min_tiles', maxTiles: 'preproc_max_tiles' },
  idefics: { longestEdge: 'preproc_image_size' },
  'internvl-effective': { minTiles: 'preproc_min_tiles', maxTiles: 'preproc_max_tiles' },
  'smart-resize': { longestEdge: 'preproc_image_size' },
  'window-crops': { longestEdge: 'preproc_image_size' },
};

function keysOf({ rule, params }: TokenRuleUse, projectorType: string): Metadata {
  const named = Object.entries(KEYS[rule] ?? {}).flatMap(([name, key]): [string, GgufValue][] => {
    const value = params[name];
    return typeof value === 'number' ? [[`clip.vision.${key}`, count(value)]] : [];
  });
  if (rule !== 'llava-uhd' || projectorType !== 'mlp') return named;
  const side = Number(params['imageSize']);
  const grids = params['grids'] as readonly { readonly columns: number; readonly rows: number }[];
  const pins = grids.flatMap(({ columns, rows }) => [columns * side, rows * side]);
  return [
    ...named,
    ['clip.vision.image_grid_pinpoints', { type: 'array', of: 'int32', value: pins }],
  ];
}
