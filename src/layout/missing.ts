import type { EncoderModel, TensorInfo } from '../contracts/model.ts';
import { encoderTensors } from './encoder.ts';

/** Names of `expected` that `actual` lacks, in the order of `expected`. */
export function missingTensors(
  expected: readonly Pick<TensorInfo, 'name'>[],
  actual: readonly Pick<TensorInfo, 'name'>[],
): string[] {
  const present = new Set(actual.map(({ name }) => name));
  return expected.map(({ name }) => name).filter((name) => !present.has(name));
}

/**
 * Tensors that a projector file must hold for llama.cpp to compute the right thing; null when the
 * projector's layout is not known. Without one of them the engine dies with no message, or answers
 * nonsense with status 200. What published files of a family rightly lack is not asked for.
 */
export function requiredEncoderTensors(encoder: EncoderModel): TensorInfo[] | null {
  // A damaged header may claim any number of blocks; more than the file has tensors miss some anyway.
  const layers = Math.min(encoder.layers, encoder.tensors.length + 1);
  const expected = encoderTensors({ ...encoder, layers, rmsNorm: isInternVit6b(encoder) });
  if (expected === null) return null;
  const has = (name: string) => encoder.tensors.some((tensor) => tensor.name === name);
  const fused = has('v.blk.0.attn_qkv.weight');
  const separate = has('v.blk.0.attn_q.weight');
  return expected
    .filter((tensor) => isEssential(tensor, encoder) && !isOptional(tensor.name, encoder))
    .filter(({ name }) => !separate || !name.includes('.attn_qkv.'))
    .flatMap((tensor) => (fused ? fusedName(tensor) : [tensor]));
}

/** Families of which published files were compared tensor by tensor. */
const COMPARED: readonly string[] = ['mlp', 'qwen2vl_merger', 'qwen2.5vl_merger', 'internvl'];

/** In the other families only the matrices are asked for: vectors differ between converters. */
function isEssential({ shape }: TensorInfo, { projectorType }: EncoderModel): boolean {
  return COMPARED.includes(projectorType) || shape.length > 1;
}

/** The tower that `clip.cpp` takes for InternViT-6B, with RMS norms and norms of q and k. */
function isInternVit6b({ projectorType, embedding, layers }: EncoderModel): boolean {
  return projectorType === 'internvl' && embedding === 3200 && layers === 45;
}

function isOptional(name: string, encoder: EncoderModel): boolean {
  // GLM-OCR has no learned positions.
  if (encoder.projectorType === 'glm4v') return name === 'v.position_embd.weight';
  if (encoder.projectorType !== 'mlp') return false;
  // The features are taken before the last norm, so converters leave it out.
  if (name.startsWith('v.post_ln')) return true;
  // SigLIP towers have neither a class token nor a first norm.
  const isClipOnly = name === 'v.class_embd' || name.startsWith('v.pre_ln');
  return isClipOnly && !hasClassPosition(encoder);
}

function hasClassPosition({ tensors, imageSize, patchSize }: EncoderModel): boolean {
  const positions = tensors.find(({ name }) => name === 'v.position_embd.weight')?.shape[1];
  return positions !== Math.floor(imageSize / patchSize) ** 2;
}

/** A file may hold q, k and v as one matrix. */
function fusedName(tensor: TensorInfo): TensorInfo[] {
  const part = /^(v\.blk\.\d+)\.attn_([qkv])\.(weight|bias)$/.exec(tensor.name);
  if (part === null) return [tensor];
  const [, block = '', which, kind = ''] = part;
  return which === 'q' ? [{ ...tensor, name: `${block}.attn_qkv.${kind}` }] : [];
}
