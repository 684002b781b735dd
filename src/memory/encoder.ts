import type { EncoderModel } from '../contracts/model.ts';
import { tensorsBytes } from './weights.ts';
import type { PartBytes } from './types.ts';

/** Bytes of the encoder's compute buffers while one image is encoded. */
export type EncoderCompute = {
  /** On the device that holds the encoder. */
  readonly device: PartBytes;
  /** Inputs that stay on the host: the picture itself, the attention mask, positions. */
  readonly host: PartBytes;
  /** False where the graph of this projector was not measured: the figure is an upper guess. */
  readonly measuredGraph: boolean;
};

type Shape = {
  /** Patches of the picture. */
  readonly patches: number;
  /** Rows that attend to each other: the patches and, where the tower has one, the class token. */
  readonly positions: number;
  readonly picture: { readonly width: number; readonly height: number };
};

const F32 = 4;
const F16 = 2;

/** Merged tokens of a side of the warm-up image of the Qwen-VL family (`clip.cpp`: 46 x 46). */
const QWEN_WARM_UP_SIDE = 46;
/** Default cap of the Qwen-VL family on the tokens of one image (`set_limit_image_tokens(8, 4096)`). */
const QWEN_MAX_TOKENS = 4096;

const isQwen = (encoder: EncoderModel): boolean => /^qwen.*_merger$/.test(encoder.projectorType);

/** Weights of tower and projector: the sum of the tensors of the projector file. */
export function encoderWeights(encoder: EncoderModel): PartBytes {
  return {
    bytes: tensorsBytes(encoder.tensors),
    formula: `sum of ${encoder.tensors.length} tensors of the projector file`,
  };
}

/** Compute buffers that llama.cpp reserves at load, for its warm-up image. */
export function encoderComputeAtLoad(encoder: EncoderModel): EncoderCompute {
  return computeFor(encoder, isQwen(encoder) ? QWEN_WARM_UP_SIDE ** 2 : null);
}

/** Compute buffers after the largest image that `imageMaxTokens` (null: the model's own cap) allows. */
export function encoderComputeAtPeak(
  encoder: EncoderModel,
  imageMaxTokens: number | null,
): EncoderCompute {
  if (!isQwen(encoder)) return computeFor(encoder, null);
  // The buffers never shrink: a cap below the warm-up image saves nothing.
  return computeFor(encoder, Math.max(imageMaxTokens ?? QWEN_MAX_TOKENS, QWEN_WARM_UP_SIDE ** 2));
}

/**
 * The widest phase of the encoder's graph. Read off the figure that llama-server 0.7.0 (build 11669)
 * adds to its fit target for LLaVA-1.5 (mlp), InternVL2-26B and Qwen2.5-VL-7B while the widths, the
 * number of blocks and the picture were varied; d = width, ff = feed-forward, n = positions:
 * - mlp: max(n (ff + 4 d), patches (2 projectionDim + 2 d)) x 4 B + picture
 * - internvl: n (ff + 3 d) x 4 B
 * - qwen2vl/qwen2.5vl: n (3 ff + 2 d) x 4 B + mask n^2 x 2 B + picture + positions
 * Any other projector gets the widest of these, marked as assumed.
 */
function computeFor(encoder: EncoderModel, tokens: number | null): EncoderCompute {
  const shape = shapeOf(encoder, tokens);
  const n = shape.positions;
  const { embedding: d, feedForward: ff, projectionDim: out } = encoder;
  const picture = shape.picture.width * shape.picture.height * 3 * F32;
  if (encoder.projectorType === 'mlp') {
    const tower = F32 * n * (ff + 4 * d);
    const projector = F32 * shape.patches * (2 * out + 2 * d);
    return parts(
      Math.max(tower, projector) + picture,
      projector > tower
        ? `4 B x ${shape.patches} patches x (2 x ${out} + 2 x ${d}) + picture`
        : `4 B x ${n} positions x (${ff} + 4 x ${d}) + picture`,
      picture,
      true,
    );
  }
  if (encoder.projectorType === 'internvl') {
    return parts(
      F32 * n * (ff + 3 * d),
      `4 B x ${n} positions x (${ff} + 3 x ${d})`,
      picture,
      true,
    );
  }
  const inputs = picture + F16 * n * n + 4 * F32 * n;
  const widest = F32 * n * (3 * ff + (isQwen(encoder) ? 2 : 4) * d) + inputs;
  return parts(
    widest,
    `4 B x ${n} positions x (3 x ${ff} + ${isQwen(encoder) ? 2 : 4} x ${d}) + mask ${n}^2 x 2 B + picture`,
    inputs,
    isQwen(encoder),
  );
}

function parts(
  device: number,
  formula: string,
  host: number,
  measuredGraph: boolean,
): EncoderCompute {
  return {
    device: { bytes: Math.round(device), formula },
    host: { bytes: Math.round(host), formula: 'picture and masks handed to the encoder' },
    measuredGraph,
  };
}

function shapeOf(encoder: EncoderModel, tokens: number | null): Shape {
  const { patchSize, merge } = encoder;
  if (tokens !== null) {
    const patches = tokens * merge * merge;
    const side = Math.sqrt(patches) * patchSize;
    return { patches, positions: patches, picture: { width: side, height: side } };
  }
  const patches = Math.floor(encoder.imageSize / patchSize) ** 2;
  const hasClassToken = encoder.tensors.some((tensor) => tensor.name === 'v.class_embd');
  return {
    patches,
    positions: patches + (hasClassToken ? 1 : 0),
    picture: { width: encoder.imageSize, height: encoder.imageSize },
  };
}
