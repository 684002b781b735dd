import type { EncoderModel } from '../contracts/model.ts';
import { graphOf } from './encoder-graph/index.ts';
import { ENCODER_HOST, Scene } from './encoder-graph/scene.ts';
import type { PictureSize } from './encoder-graph/scene.ts';
import { effectiveCap, largestPictures, warmUpPicture } from './encoder-image.ts';
import type { Pictures } from './encoder-image.ts';
import { allocate } from './graph/allocate.ts';
import { schedule } from './graph/schedule.ts';
import type { PartBytes } from './types.ts';
import { tensorsBytes } from './weights.ts';

/** Bytes of the encoder's compute buffers while one image is encoded. */
export type EncoderCompute = {
  /** On the device that holds the encoder. */
  readonly device: PartBytes;
  /** Inputs that stay on the host: the picture itself, the attention mask, positions. */
  readonly host: PartBytes;
  /** False where the graph of this projector is not known: the figure is an upper guess. */
  readonly measuredGraph: boolean;
};

const F32 = 4;
const F16 = 2;
/** Pixels of a side of the patches of a segmentation tower. */
const SAM_PATCH = 16;

/** What llama.cpp's loader asks for by one name in both towers, so that a mixed file's is held twice. */
const HELD_TWICE = /^v\.(class_embd|norm_embd\.|patch_embd\.)/;

/** Weights of tower and projector: the sum of the tensors of the projector file. */
export function encoderWeights(encoder: EncoderModel): PartBytes {
  const known = WEIGHED.get(encoder);
  if (known !== undefined) return known;
  const { tensors, audio } = encoder;
  const again = tensors.filter(({ name }) => audio !== undefined && HELD_TWICE.test(name));
  const all = [...tensors, ...(audio?.tensors ?? []), ...again];
  const made = {
    bytes: tensorsBytes(all),
    formula: `sum of ${all.length} tensors of the projector file`,
  };
  WEIGHED.set(encoder, made);
  return made;
}

/** A search asks for the weights of the same tower dozens of times. */
const WEIGHED = new WeakMap<EncoderModel, PartBytes>();

/** How attention is computed; `off` (`--flash-attn off`) keeps the scores of every pair of patches. */
export type EncoderAttention = 'flash' | 'off';

/** Compute buffers that llama.cpp reserves at load, for its warm-up image. */
export function encoderComputeAtLoad(
  encoder: EncoderModel,
  attention: EncoderAttention = 'flash',
): EncoderCompute {
  const warmUp = { size: warmUpPicture(encoder), count: 1 };
  return withAudio(encoder, computeFor(encoder, warmUp, attention), attention);
}

/** A second tower for audio has buffers of its own, which a clip of any length leaves as they are. */
function withAudio(
  { audio }: EncoderModel,
  eyes: EncoderCompute,
  attention: EncoderAttention,
): EncoderCompute {
  if (audio === undefined) return eyes;
  const ears = encoderComputeAtLoad(audio, attention);
  const both = (one: PartBytes, other: PartBytes): PartBytes => ({
    bytes: one.bytes + other.bytes,
    formula: `${one.formula} + ${other.formula}`,
  });
  return {
    device: both(eyes.device, ears.device),
    host: both(eyes.host, ears.host),
    measuredGraph: eyes.measuredGraph && ears.measuredGraph,
  };
}

/**
 * Compute buffers after the largest image that `imageMaxTokens` (null: the model's own cap) allows, and
 * `ubatch` where the model must decode an image within one micro-batch.
 */
export function encoderComputeAtPeak(
  encoder: EncoderModel,
  imageMaxTokens: number | null,
  ubatch: number | null = null,
  attention: EncoderAttention = 'flash',
): EncoderCompute {
  const pictures = largestPictures(encoder, effectiveCap(encoder, imageMaxTokens, ubatch));
  const largest = computeFor(encoder, pictures, attention);
  const peak = withAudio(encoder, largest, attention);
  const load = encoderComputeAtLoad(encoder, attention);
  // The buffers never shrink: a cap below the warm-up image saves nothing.
  return peak.device.bytes > load.device.bytes ? peak : load;
}

/** Layouts already made: a search asks about the same tower dozens of times. */
const LAID_OUT = new WeakMap<EncoderModel, Map<string, Layout>>();

/** Buffers of one picture on device and host, and its patches; null where there is no graph. */
type Layout = { readonly device: number; readonly host: number; readonly patches: number } | null;

/** Compute buffers of an encoder, its ears left out, while it encodes these pictures. */
export function computeFor(
  encoder: EncoderModel,
  pictures: Pictures,
  attention: EncoderAttention,
): EncoderCompute {
  const { size, count } = pictures;
  const laidOut = layoutOf(encoder, size, attention);
  // Dimensions that fit no graph (a damaged header) make no figure.
  if (
    laidOut === null ||
    !Number.isSafeInteger(Math.ceil((laidOut.device + laidOut.host) * count))
  ) {
    return times(guess(encoder, size, attention), count);
  }
  const { device, host, patches } = laidOut;
  const many = count === 1 ? '' : `${count} tiles of `;
  const seen =
    encoder.melBins === undefined
      ? `${many}${size.width}x${size.height} px, ${patches} patches`
      : `${size.width} frames of ${size.height} mel bins`;
  return {
    device: {
      bytes: device * count,
      formula: `${encoder.projectorType} graph for ${seen} of width ${encoder.embedding}`,
    },
    host: { bytes: host * count, formula: 'picture, masks and positions handed to the encoder' },
    measuredGraph: true,
  };
}

function times(compute: EncoderCompute, count: number): EncoderCompute {
  if (count === 1) return compute;
  const each = ({ bytes, formula }: PartBytes): PartBytes => ({
    bytes: count * bytes,
    formula: `${count} tiles x (${formula})`,
  });
  return { ...compute, device: each(compute.device), host: each(compute.host) };
}

/** Buffers of the projector's own graph as llama.cpp lays it out. */
function layoutOf(encoder: EncoderModel, size: PictureSize, attention: EncoderAttention): Layout {
  const known = LAID_OUT.get(encoder) ?? new Map<string, Layout>();
  LAID_OUT.set(encoder, known);
  const key = `${size.width}x${size.height} ${attention}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const graph = graphOf(encoder.projectorType);
  let made: Layout = null;
  if (graph !== null) {
    const scene = new Scene(encoder, size, { flashAttention: attention === 'flash' });
    const [device = 0, host = 0] = allocate(schedule(graph(scene), ENCODER_HOST, 1), 2);
    made = { device, host, patches: scene.patches };
  }
  known.set(key, made);
  return made;
}

/**
 * The widest phase of any measured tower: n (3 feed-forward + 4 width) x 4 B, a mask of n^2 x 2 B, and
 * the picture. d = width, ff = feed-forward, n = patches.
 */
function guess(
  encoder: EncoderModel,
  size: PictureSize,
  attention: EncoderAttention,
): EncoderCompute {
  if (encoder.melBins !== undefined) return soundGuess(encoder, size);
  const { embedding, feedForward, heads, patchSize, sam } = encoder;
  const side = Math.max(patchSize, 1);
  const n = Math.floor(size.width / side) * Math.floor(size.height / side);
  const picture = size.width * size.height * 3 * F32;
  const inputs = picture + F16 * n * n + 4 * F32 * n;
  const scores = attention === 'flash' ? 0 : 2 * F32 * heads * n * n;
  // A segmentation tower before it holds the distances of all patches to all others, for each head.
  const square = Math.min(size.width, size.height) / SAM_PATCH;
  const tiles = Math.max(size.width, size.height) / Math.max(Math.min(size.width, size.height), 1);
  const distances = sam === undefined ? 0 : (F32 + 2 * F16) * tiles * sam.heads * square ** 4;
  return {
    device: {
      bytes: F32 * n * (3 * feedForward + 4 * embedding) + scores + inputs + distances,
      formula:
        `4 B x ${n} positions x (3 x ${feedForward} + 4 x ${embedding}) + mask ${n}^2 x 2 B + picture` +
        (scores === 0 ? '' : ` + scores 2 x ${heads} x ${n}^2 x 4 B`) +
        (distances === 0 ? '' : ` + distances ${sam?.heads ?? 0} x ${square}^4 x ${tiles} x 8 B`),
    },
    host: { bytes: inputs, formula: 'picture, masks and positions handed to the encoder' },
    measuredGraph: false,
  };
}

/** Channels of the widest convolution in front of any measured tower for audio (480), rounded up. */
const SOUND_CHANNELS = 512;

/**
 * The widest phase of a tower for audio that is not known, as if it kept every frame: n (3 feed-forward +
 * 4 width) x 4 B, and two halves of the spectrum in every channel of a convolution in front of it.
 */
function soundGuess(
  { embedding, feedForward }: EncoderModel,
  { width: n, height: bins }: PictureSize,
): EncoderCompute {
  const spectrum = n * bins * F32;
  const maps = (2 * SOUND_CHANNELS * spectrum) / 4;
  return {
    device: {
      bytes: F32 * n * (3 * feedForward + 4 * embedding) + maps + spectrum,
      formula: `4 B x ${n} frames x (3 x ${feedForward} + 4 x ${embedding}) + two maps of ${SOUND_CHANNELS} channels + spectrum`,
    },
    host: { bytes: spectrum, formula: 'spectrum handed to the encoder' },
    measuredGraph: false,
  };
}
