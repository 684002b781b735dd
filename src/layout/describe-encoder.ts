import type { EncoderModel, TensorInfo } from '../contracts/model.ts';
import { numberArray, optionalNumber, optionalText, requiredNumber } from './header-view.ts';
import type { HeaderView } from './header-view.ts';
import { checkTowerKeys } from './plausible.ts';

type Tower = 'vision' | 'audio';

/**
 * The tower and projector of a GGUF header; a file with both eyes and ears gives the eyes, with the ears
 * in `audio`. Throws `gguf.invalid` for a missing key.
 */
export function encoderFromGguf(header: HeaderView): EncoderModel {
  const sees = header.get('clip.has_vision_encoder') === true;
  const hears = header.get('clip.has_audio_encoder') === true;
  if (!sees) return towerFrom(header, 'audio', plainTensors(header.tensors));
  if (!hears) return towerFrom(header, 'vision', plainTensors(header.tensors));
  const tensors = plainTensors(header.tensors);
  const isAudio = ({ name }: TensorInfo) => /^(mm\.)?a\./.test(name);
  return {
    ...towerFrom(
      header,
      'vision',
      tensors.filter((tensor) => !isAudio(tensor)),
    ),
    audio: towerFrom(header, 'audio', tensors.filter(isAudio)),
  };
}

function towerFrom(header: HeaderView, tower: Tower, tensors: readonly TensorInfo[]): EncoderModel {
  checkTowerKeys(header, tower);
  const projectorType = projectorOf(header, tower);
  const key = (name: string) => `clip.${tower}.${name}`;
  const common = {
    projectorType,
    layers: requiredNumber(header, key('block_count')),
    embedding: requiredNumber(header, key('embedding_length')),
    feedForward: optionalNumber(header, key('feed_forward_length')) ?? 0,
    heads: requiredNumber(header, key('attention.head_count')),
    projectionDim: projectorWidth(tensors) ?? requiredNumber(header, key('projection_dim')),
    tensors,
  };
  return tower === 'audio'
    ? { ...common, ...audioFields(header, projectorType) }
    : { ...common, ...visionFields(header, projectorType) };
}

/** A mixed file names both projectors, or, as Qwen2.5-Omni's, one that stands for two. */
function projectorOf(header: HeaderView, tower: Tower): string {
  const type =
    optionalText(header, 'clip.projector_type') ??
    optionalText(header, `clip.${tower}.projector_type`) ??
    '';
  if (type !== 'qwen2.5o') return type;
  return tower === 'vision' ? 'qwen2.5vl_merger' : 'qwen2a';
}

/** Samples of the wave that Gemma 4 12B takes for a frame, whatever its file says of mel bins. */
const SAMPLES_OF_FRAME = 640;

function audioFields(header: HeaderView, projectorType: string) {
  const stack = optionalNumber(header, 'clip.audio.projector.stack_factor');
  return {
    patchSize: 0,
    imageSize: 0,
    merge: 1,
    melBins:
      projectorType === 'gemma4ua'
        ? SAMPLES_OF_FRAME
        : requiredNumber(header, 'clip.audio.num_mel_bins'),
    ...(stack !== undefined && { stack }),
  };
}

function visionFields(header: HeaderView, projectorType: string) {
  const windowPattern = optionalNumber(header, 'clip.vision.n_wa_pattern');
  const queries = optionalNumber(header, 'clip.minicpmv_query_num');
  return {
    patchSize: requiredNumber(header, 'clip.vision.patch_size'),
    imageSize: requiredNumber(header, 'clip.vision.image_size'),
    merge: mergeOf(header, projectorType),
    ...(windowPattern !== undefined && { windowPattern }),
    ...(queries !== undefined && { queries }),
    ...samFields(header),
    ...listFields(header, projectorType),
  };
}

/** Blocks that the file names: of features, of a merger, or those that see the whole picture. */
function listFields(
  header: HeaderView,
  projectorType: string,
): Pick<EncoderModel, 'featureLayers' | 'mergerBlock' | 'wholeBlocks' | 'pixels'> {
  const featureLayers = numberArray(header, 'clip.vision.feature_layer') ?? [];
  const blocks = numberArray(header, 'clip.vision.wa_layer_indexes') ?? [];
  const [first] = blocks;
  const least = optionalNumber(header, 'clip.vision.image_min_pixels');
  const most = optionalNumber(header, 'clip.vision.image_max_pixels');
  return {
    ...(featureLayers.length > 0 && { featureLayers }),
    ...(projectorType === 'minicpmv4_6' && first !== undefined && { mergerBlock: first }),
    ...(projectorType === 'youtuvl' && blocks.length > 0 && { wholeBlocks: blocks }),
    ...(least !== undefined && most !== undefined && { pixels: { least, most } }),
  };
}

function samFields(header: HeaderView): Pick<EncoderModel, 'sam'> {
  const layers = optionalNumber(header, 'clip.vision.sam.block_count');
  if (layers === undefined) return {};
  return {
    sam: {
      layers,
      embedding: requiredNumber(header, 'clip.vision.sam.embedding_length'),
      heads: requiredNumber(header, 'clip.vision.sam.head_count'),
      window: requiredNumber(header, 'clip.vision.window_size'),
    },
  };
}

/** Side of the square of patches that `clip.cpp` merges in a family when the file does not say. */
const DEFAULT_MERGES: readonly (readonly [projector: RegExp, merge: number])[] = [
  [/^qwen\d.*_merger$/, 2],
  [/^(internvl|glm4v|kimivl|lfm2|llama4|youtuvl|paddleocr|hunyuanvl)$/, 2],
  [/^(minimax_m3|muse-glimmer|mimovl|exaone4_5)$/, 2],
  [/^gemma4u?v$/, 3],
  [/^(minicpmv4_6|step3vl)$/, 4],
  [/^gemma3$/, 4],
];

function mergeOf(header: HeaderView, projectorType: string): number {
  return (
    optionalNumber(header, 'clip.vision.spatial_merge_size') ??
    optionalNumber(header, 'clip.vision.projector.scale_factor') ??
    DEFAULT_MERGES.find(([projector]) => projector.test(projectorType))?.[1] ??
    1
  );
}

/** Last matrix of each projector and which of its dimensions is the output; the first that is there counts. */
const LAST_MATRICES = [
  ['mm.model.mlp.3.weight', 1],
  ['resampler.proj.weight', 1],
  ['mm.down.weight', 1],
  ['mm.2.weight', 1],
  ['mm.model.fc.weight', 1],
  ['mm.a.mlp.3.weight', 1],
  ['mm.a.mlp.2.weight', 1],
  ['mm.a.fc.weight', 1],
  ['mm.a.input_projection.weight', 1],
] as const;

/**
 * Width of the projector's output by its last matrix, as `clip_n_mmproj_embd` reads it: the key
 * `projection_dim` of older LLaVA files holds CLIP's own projection (768) instead.
 */
function projectorWidth(tensors: readonly TensorInfo[]): number | undefined {
  const find = (name: string) => tensors.find((tensor) => tensor.name === name);
  for (const [name, dimension] of LAST_MATRICES) {
    const width = find(name)?.shape[dimension];
    if (width !== undefined) return width;
  }
  // Gemma 3 stores its matrix with the output first, Gemma 4 last.
  const projection = find('mm.input_projection.weight')?.shape;
  const isTurned = find('mm.soft_emb_norm.weight') !== undefined;
  return projection?.[isTurned ? 0 : 1];
}

/** Without the places in the file, which are no part of a description. */
export function plainTensors(tensors: readonly TensorInfo[]): TensorInfo[] {
  return tensors.map(({ name, shape, type }) => ({ name, shape, type }));
}
