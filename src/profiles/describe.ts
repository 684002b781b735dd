import type { EngineName } from '../contracts/basis.ts';
import type {
  EncoderModel,
  HostedModel,
  ModelDescription,
  TensorInfo,
  TokenRuleUse,
} from '../contracts/model.ts';
import type { EncoderDims, EncoderFormat } from '../layout/encoder.ts';
import { encoderModel, textModel } from '../layout/model.ts';
import type { HostedProfile } from './hosted-schema.ts';
import type { Profile } from './layers.ts';
import type { AudioProfile, VisionProfile } from './schema.ts';

/** Weight formats to lay a profile out in, F16 where none is given, and the day whose rules count. */
export type ProfileFormats = {
  readonly quant?: string;
  readonly encoderQuant?: EncoderFormat;
  /** `2026-03-01`: the vendor's rule of that day; today's where left out. */
  readonly asOf?: string;
};

/** The engine a profile means by `--engine auto`. */
export function defaultEngine(profile: Profile): EngineName {
  const engine = profile.defaultEngine ?? profile.engines[0];
  if (engine === undefined) throw new Error(`profile ${profile.id} has no engine`);
  return engine;
}

/** What a profile knows, in the shape a GGUF pair is described in. Throws `usage.unknown-quant`. */
export function describeProfile(profile: Profile, formats: ProfileFormats = {}): ModelDescription {
  const { text, hosted } = profile;
  return {
    id: profile.id,
    name: profile.name,
    family: profile.family,
    modalities: profile.modalities,
    engines: profile.engines,
    basis: 'profile',
    confidence: profile.confidence,
    text: text ? textModel(text, text.context, formats.quant) : null,
    encoder: describeEncoder(profile, formats.encoderQuant),
    imageTokens: imageRules(profile, formats.asOf),
    audioTokens: rulesOf(profile.audioTokens),
    ...(hosted === undefined ? {} : { hosted: hostedModel(hosted) }),
    quant: null,
    encoderQuant: null,
  };
}

function hostedModel(hosted: HostedProfile): HostedModel {
  return {
    contextTokens: hosted.context ?? null,
    outputTokens: hosted.output ?? null,
    imageFormats: hosted.imageFormats ?? null,
    video: hosted.videoTokens ?? null,
  };
}

/** The eyes, with the ears beside them; the ears alone where a model does not see. */
export function describeEncoder(
  { vision, audio }: Profile,
  format?: EncoderFormat,
): EncoderModel | null {
  const ears = audio ? laidOut(audioDims(audio), undefined, format) : null;
  if (!vision) return ears;
  const eyes = laidOut(visionDims(vision), vision.parameters, format);
  return ears === null ? eyes : { ...eyes, audio: ears };
}

/**
 * A tower whose tensors are not known (llama.cpp has no projector for it) is one tensor of its
 * published parameter count: right in bytes for the float formats vLLM loads, its only use.
 */
function laidOut(dims: EncoderDims, parameters?: number, format?: EncoderFormat): EncoderModel {
  const known = encoderModel(dims, format);
  if (known) return known;
  const tensors: TensorInfo[] =
    parameters === undefined ? [] : [{ name: 'vision', shape: [parameters], type: 'F16' }];
  return { ...dims, tensors };
}

function visionDims(vision: VisionProfile): EncoderDims {
  return {
    projectorType: vision.projector,
    layers: vision.storedLayers ?? vision.layers,
    embedding: vision.embedding,
    feedForward: vision.feedForward,
    heads: vision.heads,
    patchSize: vision.patchSize,
    imageSize: vision.imageSize,
    merge: vision.merge,
    projectionDim: vision.projectionDim,
    rmsNorm: vision.norm === 'rms',
    ...given(vision, OWN_DIMS),
  };
}

const OWN_DIMS = [
  'positions',
  'windowPattern',
  'deepstack',
  'queries',
  'siglip',
  'featureLayers',
  'mergerBlock',
  'wholeBlocks',
  'kvHeads',
  'pixels',
  'sam',
  'standardize',
  'projectorHidden',
  'projectorBias',
] as const;

function audioDims(audio: AudioProfile): EncoderDims {
  const { projector, layers, embedding, feedForward, heads, melBins, projectionDim } = audio;
  return {
    ...{ projectorType: projector, layers, embedding, feedForward, heads, melBins, projectionDim },
    ...{ patchSize: 0, imageSize: 0, merge: 1 },
    ...given(audio, ['stack', 'projectorHidden', 'channels'] as const),
  };
}

type Given<T, K extends keyof T> = { [P in K]?: Exclude<T[P], undefined> };

/** The fields of `from` that have a value. */
function given<T extends object, K extends keyof T>(from: T, keys: readonly K[]): Given<T, K> {
  const found: Given<T, K> = {};
  for (const key of keys) {
    const value = from[key];
    if (value !== undefined) found[key] = value as Exclude<T[K], undefined>;
  }
  return found;
}

/** Today's rules, or of the vendor those that held on the day. */
function imageRules(
  { imageTokens, hosted }: Profile,
  asOf?: string,
): ModelDescription['imageTokens'] {
  const rules = rulesOf(imageTokens);
  if (asOf === undefined) return rules;
  const earlier = hosted?.earlierImageTokens.find(({ until }) => asOf <= until);
  return earlier === undefined ? rules : { ...rules, api: earlier.use };
}

function rulesOf(
  given: Profile['imageTokens'] | Profile['audioTokens'],
): ModelDescription['imageTokens'] {
  const rules: Partial<Record<EngineName, TokenRuleUse>> = {};
  for (const engine of ['llama.cpp', 'vllm', 'api'] as const) {
    const rule = given[engine];
    if (rule) rules[engine] = rule;
  }
  return rules;
}
