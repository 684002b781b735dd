import type { EngineName } from '../contracts/basis.ts';
import type { EncoderModel, ModelDescription, TokenRuleUse } from '../contracts/model.ts';
import { tokenLimits } from '../layout/encoder-limits.ts';
import { DEFAULT_UBATCH } from '../memory/types.ts';
import { findTokenRule } from '../tokens/rules/index.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../tokens/settings.ts';
import { roundUp } from '../units.ts';
import { audioOf, videoPictures } from './media.ts';
import type { Wishes, Workload } from './types.ts';

/** What llama-server is to be told about micro-batch and images, and why it differs from the default. */
export type ImageLaunch = {
  readonly ubatch: number;
  readonly imageMaxTokens: number | null;
  /** What was changed so that the server does not fail later, one sentence each. */
  readonly notes: readonly string[];
  /** Why it would start and then fail; null: it would not. */
  readonly fault: string | null;
};

export type ImageTokens = {
  /** Tokens of the largest picture the model takes, without wrappers. */
  readonly largest: number;
  /** Tokens of the smallest picture. */
  readonly smallest: number;
  readonly wrapper: number;
  /** `--image-max-tokens` changes the count. */
  readonly adjustable: boolean;
  /** Least that `--image-max-tokens` may be told: with less the projector is refused at load. */
  readonly leastCap: number;
  /** Images are decoded non-causally: one has to fit into one micro-batch. */
  readonly inOnePiece: boolean;
};

/** Tokens a request keeps for its text and answer when its workload is not known. */
export const TEXT_RESERVE = 512;
/** Below this a capped image shows nothing. */
export const LEAST_CAP = 64;
const UBATCH_STEP = 32;

/**
 * Micro-batch and image cap under which every image can be decoded: a model that decodes an image in
 * one piece needs a micro-batch of that size (llama-server aborts, or caps the image to it), and no
 * image may be larger than the context of a slot. `imageCap` is a cap that the encoder's memory asks for.
 */
export function imageLaunch(
  model: ModelDescription,
  wishes: Wishes,
  contextPerSlot: number,
  imageCap: number | null = null,
): ImageLaunch {
  const plain = { ubatch: wishes.ubatch ?? DEFAULT_UBATCH, imageMaxTokens: wishes.imageMaxTokens };
  const own = imageTokensOf(model);
  if (own === null) return { ...plain, notes: [], fault: null };
  const tooLow = capFault(own, wishes.imageMaxTokens);
  if (tooLow !== null) return { ...plain, notes: [], fault: tooLow };
  // A cap that the family does not heed is none.
  const heeded = own.adjustable ? wishes : { ...wishes, imageMaxTokens: null };
  const tokens = { ...own, largest: Math.min(own.largest, imageCap ?? Infinity) };
  const capped = capToContext(model, tokens, heeded, contextPerSlot);
  const launch =
    capped.fault !== null || !tokens.inOnePiece
      ? { ...plain, ...capped }
      : holdInOnePiece(tokens, heeded, capped);
  if (imageCap === null || launch.imageMaxTokens !== null) return launch;
  const note = `images are capped at ${imageCap} of ${own.largest} tokens: the encoder's buffers for larger ones do not fit`;
  return { ...launch, imageMaxTokens: imageCap, notes: [...launch.notes, note] };
}

function capFault({ adjustable, leastCap }: ImageTokens, asked: number | null): string | null {
  if (!adjustable || asked === null || asked >= leastCap) return null;
  return `\`--image-max-tokens ${asked}\` is below the ${leastCap} tokens of this family's smallest image: llama-server would not start; give \`--image-max-tokens ${Math.max(leastCap, LEAST_CAP)}\``;
}

/** Whether `--image-max-tokens` changes what an image costs, as far as its rule is known. */
export function takesImageCap(model: ModelDescription): boolean {
  if (model.encoder === null) return false;
  return imageTokensOf(model)?.adjustable ?? true;
}

type Capped = Pick<ImageLaunch, 'imageMaxTokens' | 'notes' | 'fault'>;

/** What of a slot is not for pictures. */
function keptTokens(model: ModelDescription, workload: Workload | null): number {
  if (workload === null) return TEXT_RESERVE;
  const audio = audioOf(model, 'llama.cpp', workload)?.tokens ?? 0;
  return workload.textTokens + workload.outputTokens + audio;
}

function capToContext(
  model: ModelDescription,
  tokens: ImageTokens,
  wishes: Wishes,
  contextPerSlot: number,
): Capped {
  const asked = wishes.imageMaxTokens;
  const least =
    (asked === null ? tokens.smallest : Math.min(tokens.smallest, asked)) + tokens.wrapper;
  if (least > contextPerSlot) {
    const fault = `one image is ${least} tokens, and a slot holds ${contextPerSlot}: give \`--context ${roundUp(least + TEXT_RESERVE, 1024)}\``;
    return { imageMaxTokens: asked, notes: [], fault };
  }
  const { workload } = wishes;
  const kept = keptTokens(model, workload);
  const pictures = (workload?.images?.count ?? 0) + videoPictures(model, workload);
  const images = Math.max(1, pictures);
  const room = Math.floor((contextPerSlot - kept) / images) - tokens.wrapper;
  const largest = Math.min(tokens.largest, asked ?? Infinity);
  if (largest <= room) return { imageMaxTokens: asked, notes: [], fault: null };
  const said = `an image can be ${largest} tokens, and a slot of ${contextPerSlot} has room for ${Math.max(room, 0)}`;
  if (!tokens.adjustable || asked !== null || room < Math.max(LEAST_CAP, tokens.leastCap)) {
    return { imageMaxTokens: asked, notes: [`${said}: larger requests are refused`], fault: null };
  }
  return { imageMaxTokens: room, notes: [`${said}: images are capped at that`], fault: null };
}

function holdInOnePiece(tokens: ImageTokens, wishes: Wishes, capped: Capped): ImageLaunch {
  const largest = Math.min(tokens.largest, capped.imageMaxTokens ?? Infinity);
  const ubatch = wishes.ubatch ?? Math.max(DEFAULT_UBATCH, roundUp(largest, UBATCH_STEP));
  const why = 'this model decodes an image in one piece';
  if (ubatch >= largest) {
    const raised = wishes.ubatch === null && ubatch > DEFAULT_UBATCH;
    const notes = raised
      ? [
          `micro-batch ${ubatch} instead of ${DEFAULT_UBATCH}: ${why}, and it can be ${largest} tokens`,
        ]
      : [];
    return { ...capped, ubatch, notes: [...capped.notes, ...notes] };
  }
  const short = `\`--ubatch ${ubatch}\` does not hold one image of ${largest} tokens, and ${why}`;
  if (!tokens.adjustable || wishes.imageMaxTokens !== null) {
    const fault = `${short}: llama-server would abort; give \`--ubatch ${roundUp(largest, UBATCH_STEP)}\``;
    return { ...capped, ubatch, fault };
  }
  const notes = [...capped.notes, `${short}: images are capped at ${ubatch} tokens`];
  return { ubatch, imageMaxTokens: ubatch, notes, fault: null };
}

/** Sides far above every processor's limit, in the shapes that tile grids and resizing differ by. */
const LARGE = [
  { width: 16_384, height: 16_384 },
  { width: 16_384, height: 12_288 },
  { width: 12_288, height: 16_384 },
  { width: 16_384, height: 8_192 },
  { width: 16_384, height: 5_461 },
] as const;
const SMALL = { width: 64, height: 64 } as const;

/** By the profile's own rule object: a search asks for the same one thousands of times. */
const known = new WeakMap<TokenRuleUse, ImageTokens | null>();

/** How large and small the model's images can be; null where its token rule is not known. */
export function imageTokensOf(
  { imageTokens, encoder }: ModelDescription,
  engine: EngineName = 'llama.cpp',
): ImageTokens | null {
  const use = imageTokens[engine];
  if (use === undefined) return null;
  const found = known.get(use);
  if (found !== undefined) return found;
  const tokens = measure(use, encoder);
  known.set(use, tokens);
  return tokens;
}

function measure(use: TokenRuleUse, encoder: EncoderModel | null): ImageTokens | null {
  const rule = findTokenRule(use.rule)?.bind(use.params);
  if (rule === undefined) return null;
  const count = (size: { width: number; height: number }, imageMaxTokens: number | null = null) =>
    rule.count(size, { ...DEFAULT_TOKEN_SETTINGS, imageMaxTokens }).tokens;
  const [square] = LARGE;
  return {
    largest: Math.max(...LARGE.map((size) => count(size))),
    smallest: count(SMALL),
    wrapper: use.wrapper.tokens,
    adjustable: count(square, LEAST_CAP) < count(square),
    leastCap: encoder === null ? 0 : (tokenLimits(encoder)?.least ?? 0),
    inOnePiece: use.params['ubatchCaps'] === true || encoder?.projectorType === 'gemma3',
  };
}
