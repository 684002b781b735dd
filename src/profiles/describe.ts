import type { EngineName } from '../contracts/basis.ts';
import type { EncoderModel, ModelDescription, TokenRuleUse } from '../contracts/model.ts';
import type { EncoderFormat } from '../layout/encoder.ts';
import { encoderModel, textModel } from '../layout/model.ts';
import type { Profile } from './layers.ts';
import type { VisionProfile } from './schema.ts';

/** Weight formats to lay a profile out in; F16 where none is given. */
export type ProfileFormats = { readonly quant?: string; readonly encoderQuant?: EncoderFormat };

/** The engine a profile means by `--engine auto`. */
export function defaultEngine(profile: Profile): EngineName {
  const engine = profile.defaultEngine ?? profile.engines[0];
  if (engine === undefined) throw new Error(`profile ${profile.id} has no engine`);
  return engine;
}

/** What a profile knows, in the shape a GGUF pair is described in. Throws `usage.unknown-quant`. */
export function describeProfile(profile: Profile, formats: ProfileFormats = {}): ModelDescription {
  const { text, vision } = profile;
  return {
    id: profile.id,
    name: profile.name,
    family: profile.family,
    modalities: profile.modalities,
    engines: profile.engines,
    basis: 'profile',
    confidence: profile.confidence,
    text: text ? textModel(text, text.context, formats.quant) : null,
    encoder: vision ? encoderOf(vision, formats.encoderQuant) : null,
    imageTokens: rulesOf(profile),
    quant: null,
    encoderQuant: null,
  };
}

/**
 * A tower whose tensors are not known (llama.cpp has no projector for it) is one tensor of its
 * published parameter count: right in bytes for the float formats vLLM loads, its only use.
 */
function encoderOf(vision: VisionProfile, format?: EncoderFormat): EncoderModel {
  const dims = {
    projectorType: vision.projector,
    layers: vision.storedLayers ?? vision.layers,
    embedding: vision.embedding,
    feedForward: vision.feedForward,
    heads: vision.heads,
    patchSize: vision.patchSize,
    imageSize: vision.imageSize,
    merge: vision.merge,
    projectionDim: vision.projectionDim,
  };
  const known = encoderModel({ ...dims, rmsNorm: vision.norm === 'rms' }, format);
  if (known) return known;
  const total = vision.parameters;
  return {
    ...dims,
    tensors: total === undefined ? [] : [{ name: 'vision', shape: [total], type: 'F16' }],
  };
}

function rulesOf({ imageTokens }: Profile): ModelDescription['imageTokens'] {
  const rules: Partial<Record<EngineName, TokenRuleUse>> = {};
  for (const engine of ['llama.cpp', 'vllm', 'api'] as const) {
    const rule = imageTokens[engine];
    if (rule) rules[engine] = rule;
  }
  return rules;
}
