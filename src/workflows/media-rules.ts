import { findAudioRule, SAMPLE_RATE } from '../tokens/rules/audio.ts';
import { findTokenRule } from '../tokens/rules/index.ts';
import type { TokenSettings } from '../tokens/settings.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../tokens/settings.ts';
import { countWrapper } from '../tokens/text/chat.ts';
import { vocabularyOf } from '../tokens/text/vocabulary.ts';
import type { TokenRuleUse } from '../contracts/model.ts';
import type { MediaTokens } from '../serve/seams.ts';
import type { MediaRules } from '../serve/media/rules.ts';
import type { CountingSettings } from './counting.ts';
import type { LoadedModel } from './model.ts';

/** How the gateway prepares and counts the media of the model it serves: the rules of plan and estimate. */
export function mediaRules(loaded: LoadedModel, given: CountingSettings): MediaRules {
  const { model } = loaded.source;
  const settings: TokenSettings = { ...DEFAULT_TOKEN_SETTINGS, ...given };
  const [seen, heard] = [model.imageTokens['llama.cpp'], model.audioTokens['llama.cpp']];
  const rule = seen === undefined ? undefined : findTokenRule(seen.rule)?.bind(seen.params);
  const audio = heard === undefined ? undefined : findAudioRule(heard.rule)?.bind(heard.params);
  const wrapper = { seen: wrapperOf(loaded, seen), heard: wrapperOf(loaded, heard) };
  const able = (sense: 'image' | 'audio', verb: string) =>
    model.modalities.includes(sense) ? null : `\`${model.id}\` does not ${verb}`;
  return {
    image: rule === undefined ? null : { rule, settings },
    imageTokens: (size) =>
      rule === undefined ? null : countOf(rule.count(size, settings), wrapper.seen, seen),
    audioTokens: (samples) =>
      audio === undefined
        ? null
        : countOf(audio.count(samples / SAMPLE_RATE), wrapper.heard, heard),
    blind: able('image', 'see: `mmdeploy models` lists those that do'),
    deaf: able('audio', 'hear: `mmdeploy models` lists those that do'),
    fingerprint: JSON.stringify([seen?.rule, seen?.params, settings]),
  };
}

type Counted = { readonly tokens: number; readonly low?: number; readonly high?: number };

function countOf(
  { tokens, low = tokens, high = tokens }: Counted,
  wrapper: number,
  use: TokenRuleUse | undefined,
): MediaTokens {
  const confidence = use?.confidence ?? (low === high ? 'formula' : 'range');
  return { media: tokens, wrapper, confidence };
}

function wrapperOf({ headers }: LoadedModel, use: TokenRuleUse | undefined): number {
  if (use === undefined) return 0;
  const vocabulary = headers === null ? null : vocabularyOf(headers.model.metadata);
  if (vocabulary?.kind !== 'vocabulary') return use.wrapper.tokens;
  return countWrapper(use.wrapper.begin, vocabulary) + countWrapper(use.wrapper.end, vocabulary);
}
