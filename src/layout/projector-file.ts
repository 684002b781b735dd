import type { EncoderModel, TensorInfo } from '../contracts/model.ts';

const files = new WeakMap<EncoderModel, readonly TensorInfo[]>();

/** Tensors of the projector file, the ears beside the eyes included; one list for each encoder. */
export function projectorTensors(encoder: EncoderModel): readonly TensorInfo[] {
  const { tensors, audio } = encoder;
  if (audio === undefined) return tensors;
  const known = files.get(encoder) ?? [...tensors, ...audio.tensors];
  files.set(encoder, known);
  return known;
}
