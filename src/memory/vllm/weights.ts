import type { EncoderModel, TensorInfo, TextModel } from '../../contracts/model.ts';
import { projectorTensors } from '../../layout/projector-file.ts';
import { roundUp, sum } from '../../units.ts';
import type { PartBytes } from '../types.ts';
import type { VllmScheme } from './formats.ts';
import { layersOfStage } from './settings.ts';
import { elements, matrixBytes, parameters, schemeText } from './formats.ts';

/** vLLM pads the vocabulary to whole multiples of this (`DEFAULT_VOCAB_PADDING_SIZE`). */
const VOCABULARY_STEP = 64;
const BF16 = 2;

export function paddedVocabulary(text: Pick<TextModel, 'vocabulary'>): number {
  return roundUp(text.vocabulary, VOCABULARY_STEP);
}

/** KV heads that each of `ranks` GPUs holds: fewer heads than GPUs are repeated. */
export function kvHeadsOfRank(kvHeads: number, ranks: number): number {
  return kvHeads === 0 ? 0 : Math.max(1, kvHeads / ranks);
}

/**
 * Weights of the language model on one of `ranks` GPUs. The matrices of the blocks are in `scheme`;
 * embeddings, output layer, norms, biases and routers stay in BF16, in which published checkpoints
 * leave them. Split as `VocabParallelEmbedding`, `QKVParallelLinear`, `ColumnParallelLinear`,
 * `RowParallelLinear` and `FusedMoE` split them; whatever is none of these lies on every GPU. Over several
 * `stages` it is the heaviest: the layers of one with those before and after them, which no stage has both of.
 */
export function textWeights(
  text: TextModel,
  scheme: VllmScheme,
  ranks: number,
  stages = 1,
): PartBytes {
  const layers = Array.from({ length: text.layers }, () => 0);
  let bytes = 0;
  let quantised = 0;
  for (const tensor of text.tensors) {
    const inScheme = isQuantised(tensor);
    if (inScheme) quantised += elements(tensor.shape);
    const whole = matrixBytes(tensor.shape, inScheme ? scheme : 'bf16');
    const here = whole * shareOfRank(tensor, text, ranks);
    const layer = Number(/^blk\.(\d+)\./.exec(tensor.name)?.[1] ?? NaN);
    if (layer < layers.length) layers[layer] = (layers[layer] ?? 0) + here;
    else bytes += here;
  }
  const padding = (paddedVocabulary(text) - text.vocabulary) * text.embedding * BF16;
  const tables = text.tensors.filter(({ name }) => isTable(name)).length;
  bytes += (tables * padding) / ranks + heaviestStage(layers, stages);
  const total = parameters(text.tensors);
  const formats =
    scheme === 'bf16'
      ? `${total} parameters x ${schemeText(scheme)}`
      : `${quantised} parameters x ${schemeText(scheme)} + ${total - quantised} x 2 B (BF16)`;
  const stage =
    stages === 1 ? '' : `, ${layersOfStage(text.layers, stages)} of ${text.layers} layers`;
  return { bytes, formula: `${formats}${ranksText(ranks)}${stage}` };
}

/** Bytes of the heaviest run of layers that one stage can have. */
function heaviestStage(layers: readonly number[], stages: number): number {
  const length = layersOfStage(layers.length, stages);
  const starts = Array.from({ length: layers.length - length + 1 }, (_, index) => index);
  return Math.max(0, ...starts.map((start) => sum(layers.slice(start, start + length))));
}

/** The matrices of the blocks but not their routers, which the layouts have in F32. */
function isQuantised({ name, shape, type }: TensorInfo): boolean {
  return name.startsWith('blk.') && shape.length > 1 && type !== 'F32';
}

function isTable(name: string): boolean {
  return name === 'token_embd.weight' || name === 'output.weight';
}

/** Parts of an attention or feed-forward layer that are split by heads or by width. */
const SPLIT =
  /^blk\.\d+\.(attn_(q|q_b|k_b|v_b|output|gate)|ffn_(gate|up|down)(_exps|_shexp)?|ffn_gate_up_exps)\.weight$/;
const SPLIT_BIAS = /^blk\.\d+\.(attn_q|ffn_gate|ffn_up)\.bias$/;
const KV = /^blk\.(\d+)\.attn_[kv]\.(weight|bias)$/;
const JOINED = /^blk\.(\d+)\.attn_qkv\.(weight|bias)$/;

function shareOfRank({ name }: TensorInfo, text: TextModel, ranks: number): number {
  if (ranks === 1) return 1;
  if (isTable(name) || SPLIT.test(name) || SPLIT_BIAS.test(name)) return 1 / ranks;
  const kv = kvHeadsOf(text, KV.exec(name)?.[1]);
  if (kv !== null) return kvHeadsOfRank(kv, ranks) / kv;
  const joined = kvHeadsOf(text, JOINED.exec(name)?.[1]);
  if (joined === null) return 1;
  const here = text.heads / ranks + 2 * kvHeadsOfRank(joined, ranks);
  return here / (text.heads + 2 * joined);
}

function kvHeadsOf(text: TextModel, layer: string | undefined): number | null {
  const heads = layer === undefined ? 0 : (text.kvHeads[Number(layer)] ?? 0);
  return heads === 0 ? null : heads;
}

/** Vision and audio towers with their projector, in BF16: whole on every GPU unless `split`. */
export function encoderWeights(encoder: EncoderModel, ranks: number, split: boolean): PartBytes {
  const tensors = projectorTensors(encoder);
  const blocks = tensors.filter(({ name, shape }) => /^[av]\.blk\./.test(name) && shape.length > 1);
  const total = parameters(tensors);
  const divided = split && ranks > 1 ? parameters(blocks) : 0;
  const bytes = BF16 * (total - divided + divided / ranks);
  const where =
    ranks === 1 ? '' : divided > 0 ? `, its blocks split over ${ranks} GPUs` : ', on every GPU';
  return { bytes, formula: `${total} parameters x 2 B (BF16)${where}` };
}

function ranksText(ranks: number): string {
  return ranks === 1 ? '' : `, split over ${ranks} GPUs (norms and routers on each)`;
}
