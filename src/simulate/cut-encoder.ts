import type { EncoderModel, TensorInfo } from '../contracts/model.ts';

/** Blocks of Qwen2.5-VL in a cut encoder that attend to the whole picture: every second one. */
const CUT_WINDOW_PATTERN = 2;
/** Blocks of each stretch that are kept, one more where the whole stretch is odd or even otherwise. */
const KEPT = [2, 4, 6];
/** The same between layers that are handed on, where the last of them is a kind of its own. */
const KEPT_BETWEEN = [1, 2, 3, 4];

const BLOCK = /^v\.(blk|deepstack)\.(\d+)\./;

/**
 * The encoder with as few blocks as `isLike` accepts, or the whole one: llama.cpp reuses the buffers of one
 * block for the next, so a few of each kind need as much as all of them, and an encoder of 6B parameters
 * need not be loaded to learn its buffers. Eyes only.
 */
export function cutEncoder(
  encoder: EncoderModel,
  isLike: (cut: EncoderModel) => boolean,
): EncoderModel {
  const eyes = { ...encoder };
  Reflect.deleteProperty(eyes, 'audio');
  const handedOn = [...deepstackLayers(encoder), ...mergingLayers(encoder)];
  for (const least of handedOn.length === 0 ? KEPT : KEPT_BETWEEN) {
    const cut = withBlocks(eyes, keptBlocks(encoder.layers, handedOn, least));
    if (cut.layers < encoder.layers && isLike(cut)) return cut;
  }
  return eyes;
}

/** Layers whose output is handed to the language model beside the last one's (Qwen3-VL). */
export function deepstackLayers({ tensors }: Pick<EncoderModel, 'tensors'>): number[] {
  const found = tensors.flatMap(({ name }) => {
    const [, kind, layer] = BLOCK.exec(name) ?? [];
    return kind === 'deepstack' ? [Number(layer)] : [];
  });
  return [...new Set(found)];
}

/** The block after which patches are joined within the tower (MiniCPM-V 4.6). */
function mergingLayers({ tensors, mergerBlock = 6 }: EncoderModel): number[] {
  return tensors.some(({ name }) => name.startsWith('v.vit_merger.')) ? [mergerBlock] : [];
}

/**
 * The last blocks of each stretch up to a layer that is handed on, as many as keep it even or odd: results
 * of neighbouring blocks take turns in two places.
 */
function keptBlocks(layers: number, handedOn: readonly number[], least: number): number[] {
  const ends = [...new Set([...handedOn.map((layer) => layer + 1), layers])].sort((a, b) => a - b);
  return ends.flatMap((end, index) => {
    const length = end - (ends[index - 1] ?? 0);
    const kept = Math.min(length, least + ((length - least) % 2 === 0 ? 0 : 1));
    return Array.from({ length: kept }, (_, place) => end - kept + place);
  });
}

function withBlocks(encoder: EncoderModel, kept: readonly number[]): EncoderModel {
  const [merging] = mergingLayers(encoder);
  return {
    ...encoder,
    layers: kept.length,
    ...(encoder.windowPattern === undefined ? {} : { windowPattern: CUT_WINDOW_PATTERN }),
    ...(merging === undefined ? {} : { mergerBlock: kept.indexOf(merging) }),
    tensors: encoder.tensors.flatMap((tensor) => renumbered(tensor, kept)),
  };
}

function renumbered(tensor: TensorInfo, kept: readonly number[]): TensorInfo[] {
  const [prefix, kind, layer] = BLOCK.exec(tensor.name) ?? [];
  if (prefix === undefined) return [tensor];
  const place = kept.indexOf(Number(layer));
  if (place === -1) return [];
  return [{ ...tensor, name: `v.${kind ?? 'blk'}.${place}.${tensor.name.slice(prefix.length)}` }];
}
