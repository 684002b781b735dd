import type { TensorInfo } from '../contracts/model.ts';
import { GGML_TYPES } from '../gguf/types.ts';
import { glma, meralion, musicflamingo, qwen2a, ultravox, voxtral } from './encoder-audio.ts';
import { gemma4a, gemma4ua, lfm2a, qwen3a } from './encoder-conformer.ts';
import { deepseekOcr } from './encoder-deepseek-ocr.ts';
import type { EncoderDims } from './encoder-list.ts';
import { glmEdge, ldp, ldpv2, llava } from './encoder-llava.ts';
import {
  cogvlm,
  dotsOcr,
  hunyuan,
  janusPro,
  kimiK25,
  nemotron,
  paddleOcr,
  phi4,
  step3vl,
  youtuvl,
} from './encoder-more.ts';
import { gemma3nv } from './encoder-mobilenet.ts';
import {
  gemma3,
  gemma4uv,
  gemma4v,
  glm4v,
  idefics3,
  internvl,
  kimivl,
  lfm2,
  llama4,
  minicpmv,
  minicpmv46,
  pixtral,
  qwen25vl,
  qwen2vl,
  qwen3vl,
} from './encoder-vision.ts';
import { tensorList } from './text.ts';
import type { FloatFormat, TensorList } from './text.ts';

export type { EncoderDims } from './encoder-list.ts';

/** Matrices of a projector file: a float format, or the converter's Q8_0. */
export type EncoderFormat = FloatFormat | 'Q8_0';

type Layout = (list: TensorList, dims: EncoderDims) => void;

/** Layouts by `clip.projector_type`, with the names that llama.cpp's `clip.cpp` loads. */
const LAYOUTS = {
  adapter: glmEdge,
  cogvlm,
  deepseekocr: deepseekOcr,
  dots_ocr: dotsOcr,
  gemma3,
  gemma3nv,
  gemma4a,
  gemma4ua,
  gemma4uv,
  gemma4v,
  glm4v,
  glma,
  hunyuanvl: hunyuan,
  idefics3,
  internvl,
  janus_pro: janusPro,
  kimik25: kimiK25,
  kimivl,
  ldp,
  ldpv2,
  lfm2,
  lightonocr: pixtral,
  lfm2a,
  llama4,
  meralion,
  minicpmv4_6: minicpmv46,
  mlp: llava,
  musicflamingo,
  nemotron_v2_vl: nemotron,
  paddleocr: paddleOcr,
  phi4,
  pixtral,
  'qwen2.5vl_merger': qwen25vl,
  qwen2a,
  qwen2vl_merger: qwen2vl,
  qwen3a,
  qwen3vl_merger: qwen3vl,
  resampler: minicpmv,
  step3vl,
  ultravox,
  voxtral,
  youtuvl,
} as const satisfies Record<string, Layout>;
type ProjectorType = keyof typeof LAYOUTS;
export type KnownEncoderDims = EncoderDims & { readonly projectorType: ProjectorType };

/** True for the projectors whose tensors are known here. */
export function isKnownProjector(projectorType: string): projectorType is ProjectorType {
  return Object.hasOwn(LAYOUTS, projectorType);
}

/** Tensors of a projector file in file order; null when `projectorType` is none whose layout is known. */
export function encoderTensors(dims: KnownEncoderDims, format?: EncoderFormat): TensorInfo[];
export function encoderTensors(dims: EncoderDims, format?: EncoderFormat): TensorInfo[] | null;
export function encoderTensors(
  dims: EncoderDims,
  format: EncoderFormat = 'F16',
): TensorInfo[] | null {
  if (!isKnownProjector(dims.projectorType)) return null;
  const list = tensorList('F16');
  LAYOUTS[dims.projectorType](list, dims);
  return encoderAs(list.tensors, format);
}

/**
 * A projector's F16 tensors as the converter writes them in another format. F32 tensors stay.
 * In Q8_0 the patch matrices become F32 (convolution takes no quantised type), and rows that are no
 * whole number of blocks stay F16.
 */
export function encoderAs(tensors: readonly TensorInfo[], format: EncoderFormat): TensorInfo[] {
  return tensors.map((tensor) => {
    if (tensor.type !== 'F16') return tensor;
    if (format !== 'Q8_0') return { ...tensor, type: format };
    if (/^v\.(sam\.)?patch_embd/.test(tensor.name)) return { ...tensor, type: 'F32' };
    const [row = 0] = tensor.shape;
    return row % GGML_TYPES.Q8_0.blockSize === 0 ? { ...tensor, type: 'Q8_0' } : tensor;
  });
}
