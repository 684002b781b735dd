import type { EngineName } from '../contracts/basis.ts';
import type { ModelDescription } from '../contracts/model.ts';
import { findAudioRule } from '../tokens/rules/audio.ts';
import { findTokenRule } from '../tokens/rules/index.ts';
import type { SampledVideo } from '../tokens/rules/video.ts';
import {
  LLAMA_CPP_FPS,
  QWEN_FPS,
  QWEN_FRAME_PIXELS,
  sampleForLlamaCpp,
  sampleForQwen,
} from '../tokens/rules/video.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../tokens/settings.ts';
import type { Wishes, Workload } from './types.ts';

/** Tokens of one kind of input of a request, and how they came about. */
type Media = { readonly tokens: number; readonly sentence: string };

type Size = { readonly width: number; readonly height: number };

/** Tokens of one image of this size with its wrappers; null when the model's rule is not known. */
export function imageTokens(
  model: ModelDescription,
  engine: EngineName,
  size: Size,
  imageMaxTokens: number | null,
): number | null {
  const use = model.imageTokens[engine];
  const rule = use === undefined ? null : findTokenRule(use.rule);
  if (use === undefined || rule === null) return null;
  const settings = { ...DEFAULT_TOKEN_SETTINGS, imageMaxTokens };
  return rule.bind(use.params).count(size, settings).tokens + use.wrapper.tokens;
}

/** The clips of a request; null when there are none, or the engine's rule is not known. */
export function audioOf(
  model: ModelDescription,
  engine: EngineName,
  workload: Workload | null,
): Media | null {
  const clips = workload?.audio ?? null;
  const use = model.audioTokens[engine];
  const rule = use === undefined ? null : findAudioRule(use.rule);
  if (clips === null || use === undefined || rule === null) return null;
  const { tokens } = rule.bind(use.params).count(clips.seconds);
  const each = tokens + use.wrapper.tokens;
  const sentence = `${times(clips.count)}${clips.seconds} s of audio: ${each} tokens as ${engine} counts`;
  return { tokens: each * clips.count, sentence };
}

/** What an engine takes of a video of this length; null where that is not known here. */
export function sampledVideo(model: ModelDescription, engine: EngineName, seconds: number) {
  const projector = model.encoder?.projectorType ?? '';
  const isQwen = /^qwen(2|2\.5|3)(vl_merger|o)$/.test(projector);
  if (engine === 'llama.cpp') return sampleForLlamaCpp(seconds, isQwen);
  if (engine !== 'vllm' || !isQwen || projector === 'qwen3vl_merger') return null;
  return sampleForQwen(seconds);
}

/** Pictures in the videos of a request, as llama.cpp takes them. */
export function videoPictures(model: ModelDescription, workload: Workload | null): number {
  const clips = workload?.video ?? null;
  const video = clips === null ? null : sampledVideo(model, 'llama.cpp', clips.seconds);
  return video === null || clips === null ? 0 : video.pictures * clips.count;
}

/** A video as an engine counts it; `tokens` has wrappers and texts in it. */
export type VideoCount = {
  readonly tokens: number;
  readonly wrapper: number;
  /** Pictures in it that have a wrapper of their own. */
  readonly wrapped: number;
  readonly texts: readonly string[];
  /** Of `tokens`: the texts between the pictures, above what any vocabulary needs. */
  readonly text: number;
  readonly detail: string;
};

/** What a video costs; null where how the engine samples or counts it is not known here. */
export function countVideo(
  model: ModelDescription,
  engine: EngineName,
  clip: Size & { readonly seconds: number },
  imageMaxTokens: number | null,
): VideoCount | null {
  const video = sampledVideo(model, engine, clip.seconds);
  if (video === null) return null;
  const isVllm = engine === 'vllm';
  const cap = isVllm ? null : imageMaxTokens;
  const picture = imageTokens(isVllm ? capped(model) : model, engine, clip, cap);
  if (picture === null) return null;
  const around = model.imageTokens[engine]?.wrapper.tokens ?? 0;
  // vLLM puts its wrapper around the video, llama.cpp around each picture.
  const wrapped = isVllm ? 1 : video.pictures;
  const wrapper = around * wrapped;
  const { texts, textTokens: text } = video;
  const tokens = video.pictures * (picture - around) + wrapper + text;
  return { tokens, wrapper, wrapped, texts, text, detail: howSampled(engine, video) };
}

/** The videos of a request; null when there are none, or they cannot be counted. */
export function videoOf(
  model: ModelDescription,
  engine: EngineName,
  { workload, imageMaxTokens }: Pick<Wishes, 'workload' | 'imageMaxTokens'>,
): Media | null {
  const clips = workload?.video ?? null;
  const video = clips === null ? null : countVideo(model, engine, clips, imageMaxTokens);
  if (clips === null || video === null) return null;
  const { tokens, detail } = video;
  const sentence = `${times(clips.count)}${clips.seconds} s of video at ${clips.width}x${clips.height}: ${detail}, ${tokens} tokens`;
  return { tokens: tokens * clips.count, sentence };
}

/** The frames of a video have a limit of their own in Qwen's processor. */
function capped(model: ModelDescription): ModelDescription {
  const use = model.imageTokens.vllm;
  if (use === undefined) return model;
  const params = { ...use.params, maxPixels: QWEN_FRAME_PIXELS };
  return { ...model, imageTokens: { vllm: { ...use, params } } };
}

function howSampled(engine: EngineName, { frames, pictures }: SampledVideo): string {
  const fps = engine === 'vllm' ? QWEN_FPS : LLAMA_CPP_FPS;
  const joined = pictures < frames ? ` joined to ${pictures} pictures` : ' as images';
  const whose = engine === 'vllm' ? "the processor's own rate" : "llama.cpp's `--video-fps`";
  return `${frames} frames at ${fps} a second (${whose})${joined}`;
}

const times = (count: number) => (count === 1 ? '' : `${count} x `);

/** How the clips and videos of a request were counted, a sentence each. */
export function mediaSentences(
  model: ModelDescription,
  engine: EngineName,
  wishes: Pick<Wishes, 'workload' | 'imageMaxTokens'>,
): string[] {
  return [audioOf(model, engine, wishes.workload), videoOf(model, engine, wishes)].flatMap(
    (media) => (media === null ? [] : [media.sentence]),
  );
}

/** A sense that the workload asks for and the model, or its engine, has not. */
export type Gap = { readonly needs: 'image' | 'audio'; readonly why: string };

/** Why this model on this engine cannot take the workload; null: it can. */
export function workloadGap(
  model: ModelDescription,
  engine: EngineName,
  workload: Workload | null,
): Gap | null {
  if (workload === null) return null;
  const takes = (modality: 'image' | 'audio') => model.modalities.includes(modality);
  const sees = workload.images !== null || workload.video !== null;
  if (sees && !takes('image')) return { needs: 'image', why: `\`${model.id}\` does not see` };
  if (workload.audio !== null && !takes('audio')) {
    return { needs: 'audio', why: `\`${model.id}\` does not hear` };
  }
  // What runs at its vendor has no memory to plan: nothing has to be counted.
  if (engine === 'api') return null;
  if (workload.audio !== null && model.audioTokens[engine] === undefined) {
    const elsewhere = Object.keys(model.audioTokens).join(' and ');
    const known = elsewhere === '' ? '' : ` (it is for ${elsewhere})`;
    const why = `how ${engine} counts audio for \`${model.id}\` is not known here${known}`;
    return { needs: 'audio', why };
  }
  if (
    workload.video !== null &&
    videoOf(model, engine, { workload, imageMaxTokens: null }) === null
  ) {
    const why = `how ${engine} samples video for \`${model.id}\` is not known here: count its frames as \`--images\``;
    return { needs: 'image', why };
  }
  return null;
}
