import type { EngineName } from '../contracts/basis.ts';
import type { EstimateInput } from '../contracts/estimate.ts';
import { MmdeployError } from '../errors.ts';
import { SAMPLE_RATE, findAudioRule } from '../tokens/rules/audio.ts';
import { countVideo as countFrames } from '../match/media.ts';
import { countVideo } from '../tokens/rules/media-rate.ts';
import type { TokenSettings } from '../tokens/settings.ts';
import { soundRefusal } from './formats.ts';
import { countWrapper } from '../tokens/text/chat.ts';
import { sum } from '../units.ts';
import { wrapperTokens } from './wrapper.ts';
import type { CountedModel } from './count.ts';

/** What a clip or a film costs, or why this model and engine cannot say; never a silent zero. */
export type MediaOutcome =
  | {
      readonly tokens: number;
      readonly low: number;
      readonly high: number;
      /** Of `tokens`: what the engine puts around it. */
      readonly wrapper: number;
      readonly rule: string;
      readonly detail: string;
    }
  | { readonly refused: string };

/** A sound of known length. */
export function countSound(input: EstimateInput, model: CountedModel): MediaOutcome {
  const { description, engine } = model;
  const use = description.audioTokens[engine];
  const rule = use === undefined ? null : findAudioRule(use.rule);
  if (use === undefined || rule === null) return unknown(model, 'audio');
  const refused = soundRefusal(engine, input.format);
  if (refused !== null) return { refused };
  const wrapper = wrapperTokens(model, use.wrapper);
  return guarded(() => {
    const {
      tokens,
      low = tokens,
      high = tokens,
      detail,
    } = rule.bind(use.params).count(heardSeconds(input, engine));
    const around = (count: number) => count + wrapper;
    return {
      ...{ tokens: around(tokens), low: around(low), high: around(high) },
      ...{ wrapper, rule: use.rule, detail },
    };
  });
}

/** The length that an engine hears: llama.cpp's decoder cuts and rounds what it resamples in its own way. */
function heardSeconds({ seconds, samples16k }: EstimateInput, engine: EngineName): number {
  if (engine === 'llama.cpp' && samples16k !== null) return samples16k / SAMPLE_RATE;
  return seconds ?? Number.NaN;
}

/** A film of known length, its sound included. */
export function countFilm(
  input: EstimateInput,
  model: CountedModel,
  settings: TokenSettings,
): MediaOutcome {
  if (model.engine !== 'api') return countSampled(input, model, settings);
  const rates = model.description.hosted?.video ?? null;
  if (rates === null) return unknown(model, 'video');
  const seconds = input.seconds ?? Number.NaN;
  return guarded(() => ({
    ...countVideo(rates, seconds, settings),
    ...{ wrapper: 0, rule: 'video-rate' },
  }));
}

/**
 * A film as the frames that the engine takes of it. Its texts are counted by the model's vocabulary, from none
 * to most without one.
 */
function countSampled(
  input: EstimateInput,
  model: CountedModel,
  { imageMaxTokens }: TokenSettings,
): MediaOutcome {
  const { description, engine, vocabulary } = model;
  const { seconds, width, height } = decodedFilm(input, engine);
  if (seconds === null || width === null || height === null) return unknown(model, 'video');
  return guarded(() => {
    const count = countFrames(description, engine, { seconds, width, height }, imageMaxTokens);
    if (count === null) return unknown(model, 'video');
    const { tokens, wrapper, wrapped, text, texts, detail } = count;
    const use = description.imageTokens[engine];
    if (vocabulary === null || vocabulary.frame !== null || use === undefined) {
      return { tokens, low: tokens - text, high: tokens, wrapper, rule: 'video-frames', detail };
    }
    const around = wrapperTokens(model, use.wrapper) * wrapped;
    const written = sum(texts.map((each) => countWrapper(each, vocabulary)));
    const all = tokens - wrapper - text + around + written;
    return { tokens: all, low: all, high: all, wrapper: around, rule: 'video-frames', detail };
  });
}

/** llama.cpp takes the size of a film as it is coded, and so sees a turned one on its side, torn into rows. */
function decodedFilm({ seconds, width, height, turned }: EstimateInput, engine: EngineName) {
  return turned && engine === 'llama.cpp'
    ? { seconds, width: height, height: width }
    : { seconds, width, height };
}

function unknown({ id, engine, description }: CountedModel, what: 'audio' | 'video'): MediaOutcome {
  const by = engine === 'api' ? 'its vendor' : engine;
  return {
    refused: description.modalities.includes(what)
      ? `how ${by} counts ${what} for ${id} is not known here`
      : `${id} takes no ${what}`,
  };
}

/** A length that no clip has is an answer about that input, not a failure of the run. */
function guarded(count: () => MediaOutcome): MediaOutcome {
  try {
    return count();
  } catch (error) {
    if (error instanceof MmdeployError && error.code === 'input.invalid') {
      return { refused: error.message };
    }
    throw error;
  }
}
