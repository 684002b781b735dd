import type { EncoderDims } from '../../../src/layout/encoder.ts';
import type { TextDims } from '../../../src/layout/text.ts';

/** Dimensions from the published configs, and parameter totals that are published beside them. */
type Published = {
  readonly text: TextDims;
  readonly encoder: EncoderDims;
  readonly textParameters: number;
  readonly encoderParameters: number;
};

const llavaEncoder = (projectionDim: number): EncoderDims => ({
  projectorType: 'mlp',
  layers: 23,
  embedding: 1024,
  feedForward: 4096,
  heads: 16,
  patchSize: 14,
  imageSize: 336,
  merge: 1,
  projectionDim,
});

export const llava7b: Published = {
  text: {
    arch: 'llama',
    layers: 32,
    embedding: 4096,
    heads: 32,
    kvHeads: 32,
    headSize: 128,
    feedForward: 11008,
    vocabulary: 32064,
    tiedEmbeddings: false,
    qkvBias: false,
  },
  encoder: llavaEncoder(4096),
  textParameters: 6_738_939_904,
  encoderParameters: 311_890_944,
};

export const llava13b: Published = {
  text: {
    ...llava7b.text,
    layers: 40,
    embedding: 5120,
    heads: 40,
    kvHeads: 40,
    feedForward: 13824,
  },
  encoder: llavaEncoder(5120),
  textParameters: 13_016_519_680,
  encoderParameters: 322_378_752,
};

export const qwen25vl7b: Published = {
  text: {
    arch: 'qwen2vl',
    layers: 28,
    embedding: 3584,
    heads: 28,
    kvHeads: 4,
    headSize: 128,
    feedForward: 18944,
    vocabulary: 152064,
    tiedEmbeddings: false,
    qkvBias: true,
  },
  encoder: {
    projectorType: 'qwen2.5vl_merger',
    layers: 32,
    embedding: 1280,
    feedForward: 3420,
    heads: 16,
    patchSize: 14,
    imageSize: 560,
    merge: 2,
    projectionDim: 3584,
  },
  textParameters: 7_615_616_512,
  encoderParameters: 676_550_144,
};

export const internvl26b: Published = {
  text: {
    arch: 'internlm2',
    layers: 48,
    embedding: 6144,
    heads: 48,
    kvHeads: 8,
    headSize: 128,
    feedForward: 16384,
    vocabulary: 92553,
    tiedEmbeddings: false,
    qkvBias: false,
  },
  encoder: {
    projectorType: 'internvl',
    layers: 45,
    embedding: 3200,
    feedForward: 12800,
    heads: 25,
    patchSize: 14,
    imageSize: 448,
    merge: 2,
    projectionDim: 6144,
    rmsNorm: true,
  },
  textParameters: 19_861_260_288,
  encoderParameters: 5_652_925_824,
};
