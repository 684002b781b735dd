import type { EstimateInput } from '../contracts/estimate.ts';
import type { Advice } from '../contracts/estimate-checks.ts';
import type { TokenSettings } from '../tokens/settings.ts';
import type { PriceInUse } from './cost.ts';
import { costOf } from './cost.ts';
import type { CountedModel } from './count.ts';
import { countInputs } from './count.ts';
import type { SizeCount, SizeTallyState } from './size-tally.ts';

const MOST_ADVICE = 5;

/** Longest sides that a picture may be scaled to. */
const SIDES = [4096, 3072, 2560, 2048, 1792, 1536, 1280, 1024, 896, 768, 640, 512];
const TOKEN_LIMITS = [2048, 1024, 512, 256];
/** A smaller picture loses detail: worth it for a quarter of the image tokens, or else for a tenth. */
const WORTH = [0.25, 0.1];
/** What may be cut off a clip without anybody missing it, seconds. */
const TRIMS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5];
/** A clip that crosses into another chunk, not one that is merely longer. */
const CHUNK_SHARE = 0.15;

type Asked = {
  readonly model: CountedModel;
  readonly settings: TokenSettings;
  readonly price: PriceInUse | null;
};

/**
 * What would save tokens, dearest first: every suggestion is counted again by the rule of the engine, for
 * each size of the pile, and only what then costs less is said. Each stands for itself: two of them do not
 * add up. Where the pile has more sizes than were kept, the figures are lower bounds.
 */
export function adviceFor(asked: Asked, { sizes, complete }: SizeTallyState): Advice[] {
  const images = sizes.filter(({ modality }) => modality === 'image');
  const sounds = sizes.filter(({ modality }) => modality === 'audio');
  const found = [
    trimmedAudio(asked, sounds),
    lowDetail(asked, images),
    lowResolution(asked, images),
    cappedTokens(asked, images),
    smallerImages(asked, images),
  ];
  return found
    .flatMap((advice) => (advice === null ? [] : [complete ? advice : atLeast(advice)]))
    .sort((a, b) => (b.savedUsd ?? 0) - (a.savedUsd ?? 0) || b.savedTokens - a.savedTokens)
    .slice(0, MOST_ADVICE);
}

function atLeast(advice: Advice): Advice {
  return {
    ...advice,
    text: `${advice.text} (at least: the pile has more sizes than are compared)`,
  };
}

type Saving = {
  readonly size: SizeCount;
  readonly before: number;
  readonly after: number;
};

/** Counts each size as it is and as it would be; null where a count is not known or nothing is saved. */
function savings(
  sizes: readonly SizeCount[],
  count: (size: SizeCount) => number | null,
  changed: (size: SizeCount) => number | null,
): Saving[] {
  return sizes.flatMap((size) => {
    const [before, after] = [count(size), changed(size)];
    return before === null || after === null || after >= before ? [] : [{ size, before, after }];
  });
}

function tokensOf(
  { model, settings }: Asked,
  size: SizeCount,
  changes: Partial<TokenSettings> = {},
) {
  const input: EstimateInput = {
    ...{ input: '', document: null, fps: null, soundSeconds: null, samples16k: null },
    ...{ text: null, textTokens: null },
    ...{ ...size, count: 1 },
  };
  const [counted] = countInputs([input], model, { ...settings, ...changes });
  return counted?.item.tokens ?? null;
}

function advice(
  { price }: Asked,
  kind: Advice['kind'],
  found: readonly Saving[],
  text: (dearest: Saving) => string,
): Advice | null {
  const saved = ({ size, before, after }: Saving) => (before - after) * size.count;
  const [dearest] = [...found].sort((a, b) => saved(b) - saved(a));
  if (dearest === undefined) return null;
  const savedTokens = found.reduce((sum, each) => sum + saved(each), 0);
  const inputs = found.reduce((sum, { size }) => sum + size.count, 0);
  const own = kind === 'trim-audio' ? { audio: savedTokens } : { audio: 0, image: savedTokens };
  const bill = price === null ? null : costOf(price, { input: savedTokens, output: 0, ...own });
  return { kind, text: text(dearest), inputs, savedTokens, savedUsd: bill?.total ?? null };
}

const arrow = ({ before, after }: Saving) =>
  `${before.toLocaleString('en-US')} -> ${after.toLocaleString('en-US')} tokens each`;
const named = ({ width, height }: SizeCount) => `${width ?? 0}x${height ?? 0}`;

function trimmedAudio(asked: Asked, sounds: readonly SizeCount[]): Advice | null {
  const cuts = new Map<SizeCount, number>();
  const found = savings(
    sounds,
    (size) => tokensOf(asked, size),
    (size) => {
      const whole = tokensOf(asked, size) ?? 0;
      for (const trim of TRIMS) {
        const seconds = Math.round(((size.seconds ?? 0) - trim) * 100) / 100;
        const tokens = seconds > 0 ? tokensOf(asked, { ...size, seconds }) : null;
        if (tokens === null || whole - tokens < whole * CHUNK_SHARE) continue;
        cuts.set(size, trim);
        return tokens;
      }
      return null;
    },
  );
  return advice(asked, 'trim-audio', found, (dearest) => {
    const { size } = dearest;
    const cut = cuts.get(size) ?? 0;
    return `clips of ${(size.seconds ?? 0).toFixed(2)} s just begin another chunk: trim ${cut} s, ${arrow(dearest)}`;
  });
}

function lowDetail(asked: Asked, images: readonly SizeCount[]): Advice | null {
  const rule = ruleOf(asked);
  if (!rule.startsWith('openai-') || asked.settings.detail === 'low') return null;
  const found = savings(
    images,
    (size) => tokensOf(asked, size),
    (size) => tokensOf(asked, size, { detail: 'low' }),
  );
  return advice(
    asked,
    'detail-low',
    found,
    (dearest) =>
      `\`detail: low\` where the gist is enough (--detail low): ${named(dearest.size)}, ${arrow(dearest)}`,
  );
}

function lowResolution(asked: Asked, images: readonly SizeCount[]): Advice | null {
  if (!ruleOf(asked).startsWith('gemini-') || asked.settings.mediaResolution === 'low') return null;
  const found = savings(
    images,
    (size) => tokensOf(asked, size),
    (size) => tokensOf(asked, size, { mediaResolution: 'low' }),
  );
  return advice(
    asked,
    'media-resolution',
    found,
    (dearest) =>
      `\`media_resolution\` low where the gist is enough (--media-resolution low): ${named(dearest.size)}, ${arrow(dearest)}`,
  );
}

/** llama.cpp scales pictures down to a limit of tokens by itself: nothing has to be done to the files. */
function cappedTokens(asked: Asked, images: readonly SizeCount[]): Advice | null {
  if (!capped(asked)) return null;
  const now = asked.settings.imageMaxTokens ?? Number.POSITIVE_INFINITY;
  const limits = TOKEN_LIMITS.filter(
    (limit) => limit < now && limit > (asked.settings.imageMinTokens ?? 0),
  );
  const best = firstWorth(asked, images, limits, (size, limit) =>
    tokensOf(asked, size, { imageMaxTokens: limit }),
  );
  return best === null
    ? null
    : advice(
        asked,
        'image-max-tokens',
        best.found,
        (dearest) =>
          `start the engine with \`--image-max-tokens ${best.step}\`: ${named(dearest.size)}, ${arrow(dearest)}`,
      );
}

function smallerImages(asked: Asked, images: readonly SizeCount[]): Advice | null {
  if (capped(asked)) return null;
  const best = firstWorth(asked, images, SIDES, (size, side) => {
    const small = scaled(size, side);
    return small === null ? null : tokensOf(asked, small);
  });
  return best === null
    ? null
    : advice(asked, 'shrink-image', best.found, (dearest) => {
        const small = scaled(dearest.size, best.step) ?? dearest.size;
        return `scale pictures to at most ${best.step} px: ${named(dearest.size)} to ${named(small)}, ${arrow(dearest)}`;
      });
}

/** The mildest step that saves a good share of all image tokens. */
function firstWorth(
  asked: Asked,
  images: readonly SizeCount[],
  steps: readonly number[],
  changed: (size: SizeCount, step: number) => number | null,
): { step: number; found: Saving[] } | null {
  const before = images.map((size) => ({ size, tokens: tokensOf(asked, size) }));
  const all = before.reduce((sum, { size, tokens }) => sum + (tokens ?? 0) * size.count, 0);
  const tried = steps.map((step) => {
    const found = before.flatMap(({ size, tokens }) => {
      const after = changed(size, step);
      const saves = tokens !== null && after !== null && after < tokens;
      return saves ? [{ size, before: tokens, after }] : [];
    });
    const saved = found.reduce(
      (sum, each) => sum + (each.before - each.after) * each.size.count,
      0,
    );
    return { step, found, share: all === 0 ? 0 : saved / all };
  });
  for (const worth of WORTH) {
    const first = tried.find(({ share }) => share >= worth);
    if (first !== undefined) return first;
  }
  return null;
}

function scaled(size: SizeCount, side: number): SizeCount | null {
  const [width, height] = [size.width ?? 0, size.height ?? 0];
  const factor = side / Math.max(width, height);
  if (!(factor < 1)) return null;
  const to = (length: number) => Math.max(1, Math.round(length * factor));
  return { ...size, width: to(width), height: to(height) };
}

function ruleOf({ model: { description, engine } }: Asked): string {
  return description.imageTokens[engine]?.rule ?? '';
}

function capped(asked: Asked): boolean {
  return asked.model.engine === 'llama.cpp' && ruleOf(asked) === 'smart-resize';
}
