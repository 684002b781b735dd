import { createHash } from 'node:crypto';
import type { Confidence } from '../contracts/basis.ts';
import type { EncoderModel, ModelDescription, TokenRuleUse } from '../contracts/model.ts';
import { VERIFIED } from '../layout/verified.ts';
import { sampledVideo } from '../match/media.ts';
import type { MediaRules } from '../serve/media/rules.ts';
import type { MediaTokens } from '../serve/seams.ts';
import { findAudioRule, SAMPLE_RATE } from '../tokens/rules/audio.ts';
import { findTokenRule } from '../tokens/rules/index.ts';
import { DEFAULT_TOKEN_SETTINGS, type TokenSettings } from '../tokens/settings.ts';
import { countWrapper } from '../tokens/text/chat.ts';
import { vocabularyOf, type Vocabulary } from '../tokens/text/vocabulary.ts';
import { LLAMA_CPP_FPS } from '../tokens/rules/video.ts';
import { sum } from '../units.ts';
import type { LoadedModel } from './model.ts';

/** What the engine is started with and the rules depend on. */
export type RuleSettings = Pick<TokenSettings, 'imageMaxTokens' | 'ubatch'> & {
  /** Tokens of one slot; null: as many as the engine chooses. */
  readonly contextTokens: number | null;
};

/** Models that see and that hear, for those who ask one that does not. */
export type AbleModels = {
  readonly image: readonly string[];
  readonly audio: readonly string[];
};

/**
 * How the gateway treats the media of the model it serves: by the same rules that plan and estimate use,
 * at the settings that the engine runs with.
 */
export function mediaRules(
  { source, headers }: LoadedModel,
  { contextTokens, ...settings }: RuleSettings,
  able: AbleModels = { image: [], audio: [] },
): MediaRules {
  const { id, encoder, modalities } = source.model;
  const images = source.model.imageTokens['llama.cpp'];
  const sounds = source.model.audioTokens['llama.cpp'];
  const read = headers === null ? null : vocabularyOf(headers.model.metadata);
  const known = read?.kind === 'vocabulary' ? read : null;
  const wrapperOf = ({ wrapper }: TokenRuleUse): number =>
    known === null
      ? wrapper.tokens
      : countWrapper(wrapper.begin, known) + countWrapper(wrapper.end, known);
  const bound: TokenSettings = { ...DEFAULT_TOKEN_SETTINGS, ...settings };
  const sees = encoder !== null && modalities.includes('image');
  const hears = encoder !== null && modalities.includes('audio');
  const pictureTokens = imageCounter(images, bound, wrapperOf, encoder);
  return {
    image: sees ? imageRule(images, bound) : null,
    imageTokens: pictureTokens,
    filmTokens: filmCounter(source.model, pictureTokens, known),
    contextTokens,
    audioTokens: audioCounter(sounds, wrapperOf, encoder),
    blind: sees ? null : unable(id, 'takes no images', 'see', able.image),
    deaf: hears ? null : unable(id, 'takes no sound', 'hear', able.audio),
    fingerprint: createHash('sha256')
      .update(JSON.stringify([images ?? null, sounds ?? null, bound]))
      .digest('hex'),
  };
}

/**
 * Rules as the engine that runs now has them: one that ran out of memory was told a lower cap (null: it
 * was not), and every image takes as much less.
 */
export function followingRules(
  model: {
    readonly rules: MediaRules;
    readonly rulesWith: (imageMaxTokens: number) => MediaRules;
  },
  currentCap: () => number | null,
): MediaRules {
  let known: { readonly cap: number | null; readonly rules: MediaRules } = {
    cap: null,
    rules: model.rules,
  };
  const now = (): MediaRules => {
    const cap = currentCap();
    if (cap !== known.cap)
      known = { cap, rules: cap === null ? model.rules : model.rulesWith(cap) };
    return known.rules;
  };
  return {
    get image() {
      return now().image;
    },
    imageTokens: (size) => now().imageTokens(size),
    filmTokens: (film) => now().filmTokens(film),
    contextTokens: model.rules.contextTokens,
    audioTokens: (samples) => now().audioTokens(samples),
    blind: model.rules.blind,
    deaf: model.rules.deaf,
    get fingerprint() {
      return now().fingerprint;
    },
  };
}

function imageRule(use: TokenRuleUse | undefined, settings: TokenSettings): MediaRules['image'] {
  const rule = use === undefined ? null : findTokenRule(use.rule);
  return use === undefined || rule === null ? null : { rule: rule.bind(use.params), settings };
}

function imageCounter(
  use: TokenRuleUse | undefined,
  settings: TokenSettings,
  wrapperOf: (use: TokenRuleUse) => number,
  encoder: EncoderModel | null,
): MediaRules['imageTokens'] {
  const rule = imageRule(use, settings)?.rule;
  if (use === undefined || rule === undefined) return () => null;
  const around = {
    wrapper: wrapperOf(use),
    confidence: confidenceOf(use, encoder?.projectorType, VERIFIED.images),
  };
  return (size): MediaTokens => ({ media: rule.count(size, settings).tokens, ...around });
}

/**
 * A film at the rate at which llama.cpp takes it apart. Its texts are counted by the model's own vocabulary;
 * without one they are as many tokens as characters, which is too many.
 */
function filmCounter(
  model: ModelDescription,
  pictureTokens: MediaRules['imageTokens'],
  vocabulary: Vocabulary | null,
): MediaRules['filmTokens'] {
  return ({ frames, ...size }) => {
    const picture = pictureTokens(size);
    const film = sampledVideo(model, 'llama.cpp', frames / LLAMA_CPP_FPS);
    if (picture === null || film === null) return null;
    const { media, wrapper, confidence } = picture;
    const texts =
      vocabulary === null
        ? film.textTokens
        : sum(film.texts.map((each) => countWrapper(each, vocabulary)));
    const around = wrapper * film.pictures + texts;
    const exact = confidence === 'exact' && vocabulary === null ? 'formula' : confidence;
    return { media: media * film.pictures, wrapper: around, confidence: exact };
  };
}

function audioCounter(
  use: TokenRuleUse | undefined,
  wrapperOf: (use: TokenRuleUse) => number,
  encoder: EncoderModel | null,
): MediaRules['audioTokens'] {
  const rule = use === undefined ? null : findAudioRule(use.rule);
  if (use === undefined || rule === null) return () => null;
  const bound = rule.bind(use.params);
  const ears = encoder?.audio?.projectorType ?? encoder?.projectorType;
  const around = {
    wrapper: wrapperOf(use),
    confidence: confidenceOf(use, ears, VERIFIED.sounds),
  };
  return (samples): MediaTokens => ({
    media: bound.count(samples / SAMPLE_RATE).tokens,
    ...around,
  });
}

/** `exact` only for projectors that were compared with the engine, size by size. */
function confidenceOf(
  { confidence }: TokenRuleUse,
  projector: string | undefined,
  verified: readonly string[],
): Confidence {
  if (confidence === 'range' || confidence === 'unknown') return confidence;
  return projector !== undefined && verified.includes(projector) ? 'exact' : 'formula';
}

const MOST_NAMED = 6;

function unable(id: string, why: string, verb: string, able: readonly string[]): string {
  const named = able.slice(0, MOST_NAMED).join(', ');
  const more = able.length > MOST_NAMED ? ' …' : '';
  return `${id} ${why}${named === '' ? '' : `; models that ${verb}: ${named}${more}`}`;
}
