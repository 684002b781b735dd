import type {
  EncoderModel,
  HyperValue,
  ModelDescription,
  TextModel,
  TokenRuleUse,
} from '../contracts/model.ts';
import type { Modality } from '../contracts/basis.ts';
import { MmdeployError } from '../errors.ts';
import { audioRuleOf } from './audio-rule.ts';
import { encoderFromGguf, plainTensors } from './describe-encoder.ts';
import { HYPER_KEYS } from './hyper.ts';
import { quantLabel } from './file-type.ts';
import {
  architecture,
  optionalNumber,
  optionalText,
  perLayer,
  requiredNumber,
} from './header-view.ts';
import type { HeaderView } from './header-view.ts';
import { checkText, checkTextKeys } from './plausible.ts';

/** Chooses the image token rule of a projector; null when none is known for it. */
export type ImageRule = (encoder: EncoderModel, header: HeaderView) => TokenRuleUse | null;

/**
 * Describes a model by its own files. `id` is what the user calls it, for example the file's name.
 * Throws `gguf.invalid` where a header lacks what every model of its kind has; whether the two files
 * belong together is for `pairingProblem` to say.
 */
export function describeGguf(
  id: string,
  model: HeaderView,
  mmproj: HeaderView | null,
  imageRule: ImageRule,
): ModelDescription {
  const encoder = mmproj === null ? null : encoderFromGguf(mmproj);
  const rule = encoder === null || mmproj === null ? null : imageRule(encoder, mmproj);
  const audio = encoder === null || mmproj === null ? null : audioRuleOf(encoder, mmproj.path);
  return {
    id,
    name: optionalText(model, 'general.name') ?? id,
    family: architecture(model),
    modalities: ['text', ...modalitiesOf(mmproj)],
    engines: ['llama.cpp'],
    basis: 'gguf',
    confidence: null,
    text: textFromGguf(model),
    encoder,
    imageTokens: rule === null ? {} : { 'llama.cpp': rule },
    audioTokens: audio === null ? {} : { 'llama.cpp': audio },
    quant: quantLabel(model),
    encoderQuant: mmproj === null ? null : quantLabel(mmproj),
  };
}

function modalitiesOf(mmproj: HeaderView | null): Modality[] {
  if (mmproj === null) return [];
  const modalities: Modality[] = [];
  if (mmproj.get('clip.has_vision_encoder') === true) modalities.push('image');
  if (mmproj.get('clip.has_audio_encoder') === true) modalities.push('audio');
  return modalities;
}

/** The language model of a GGUF header. Throws `gguf.invalid` for a missing key or token embedding. */
export function textFromGguf(header: HeaderView): TextModel {
  const arch = architecture(header);
  checkTextKeys(header, arch);
  const key = (name: string) => `${arch}.${name}`;
  const layers = requiredNumber(header, key('block_count'));
  const embedding = requiredNumber(header, key('embedding_length'));
  const heads = requiredNumber(header, key('attention.head_count'));
  const headSize = heads === 0 ? 0 : embedding / heads;
  const feedForward = optionalNumber(header, key('feed_forward_length')) ?? 0;
  const text: TextModel = {
    arch,
    layers,
    embedding,
    // The key of `qwen` counts gate and up together.
    feedForward: arch === 'qwen' ? feedForward / 2 : feedForward,
    heads,
    kvHeads:
      perLayer(header, key('attention.head_count_kv'), layers) ??
      Array.from({ length: layers }, () => heads),
    keyLength: optionalNumber(header, key('attention.key_length')) ?? headSize,
    valueLength: optionalNumber(header, key('attention.value_length')) ?? headSize,
    vocabulary: vocabularySize(header),
    contextMax: requiredNumber(header, key('context_length')),
    hyper: hyperOf(header, arch, optionalNumber(header, key('attention.key_length')) ?? headSize),
    tensors: plainTensors(header.tensors),
  };
  checkText(header, text);
  return text;
}

/** The keys that memory depends on in some architecture, as far as this file has them. */
function hyperOf(header: HeaderView, arch: string, headSize: number): Record<string, HyperValue> {
  const hyper: Record<string, HyperValue> = {};
  for (const key of HYPER_KEYS) {
    const value = header.get(`${arch}.${key}`);
    const scalar = typeof value === 'number' || typeof value === 'boolean';
    if (key === 'rope.dimension_count' && value === headSize) continue;
    // One feed-forward width for all layers is no more than the common key.
    if (key === 'feed_forward_length' ? Array.isArray(value) : scalar || Array.isArray(value)) {
      hyper[key] = value as HyperValue;
    }
  }
  return hyper;
}

/** Rows of the token embedding: the one count that the engine itself works with. */
function vocabularySize(header: HeaderView): number {
  const rows = header.tensors.find(({ name }) => name === 'token_embd.weight')?.shape[1];
  if (rows !== undefined) return rows;
  throw new MmdeployError('gguf.invalid', `\`${header.path}\` lacks the tensor token_embd.weight`, {
    hints: ['give the file with the language model; a split model is named by its first part'],
  });
}
