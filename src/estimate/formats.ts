import type { EngineName } from '../contracts/basis.ts';
import type { HostedModel } from '../contracts/model.ts';

/** Image formats each engine decodes; a format that is missing is refused, or worse, mistaken. */
const DECODED: Readonly<Record<EngineName, readonly string[]>> = {
  // stb_image, and ffmpeg for WebP; tried on llama-server build 11669.
  'llama.cpp': ['png', 'jpg', 'gif', 'bmp', 'psd', 'pnm', 'webp'],
  // Pillow as vLLM opens files.
  vllm: ['png', 'jpg', 'gif', 'bmp', 'webp', 'tiff', 'bigtiff', 'jp2', 'ico', 'pnm', 'psd'],
  // developers.openai.com, guide "images and vision": PNG, JPEG, WebP and still GIF.
  api: ['png', 'jpg', 'gif', 'webp'],
};

/** What llama-server was seen to do with formats it does not decode. */
const SEEN: Readonly<Record<string, string>> = {
  avif: 'llama.cpp takes AVIF for a video and counts it several times',
  jp2: 'llama.cpp drops JPEG 2000 without a word',
};

type Picture = {
  readonly format: string | null;
  readonly frames: number | null;
  readonly width: number | null;
  readonly height: number | null;
};

/** Why `engine` does not take a picture; null when it does. Without a file only its size can be in the way. */
export function pictureRefusal(
  engine: EngineName,
  picture: Picture,
  hosted?: HostedModel,
): string | null {
  return formatRefusal(engine, picture, hosted) ?? sizeRefusal(engine, picture);
}

function formatRefusal(
  engine: EngineName,
  { format, frames }: Picture,
  hosted?: HostedModel,
): string | null {
  const decoded = hosted?.imageFormats ?? DECODED[engine];
  if (format === null) return null;
  if (decoded.includes(format)) {
    if ((frames ?? 1) === 1) return null;
    // Those that name their formats themselves take the first frame, as Pillow and stb_image do.
    const own = (hosted?.imageFormats ?? null) !== null;
    const why = own ? undefined : ANIMATED[engine]?.[format];
    return why === undefined ? null : `${why}: send its first frame`;
  }
  const seen = engine === 'llama.cpp' ? SEEN[format] : undefined;
  const why = seen ?? `${engine === 'api' ? 'the API' : engine} takes no ${format.toUpperCase()}`;
  return `${why}: convert it to PNG or JPEG`;
}

/** Animations that are not just their first frame; that of a GIF was tried on llama-server build 11669. */
const ANIMATED: Readonly<Partial<Record<EngineName, Readonly<Record<string, string>>>>> = {
  'llama.cpp': {
    webp: 'llama.cpp leaves WebP to ffmpeg, which decodes no animation up to release 7',
  },
  api: { gif: 'the API takes no animated GIF' },
};

/**
 * Most pixels of a picture. stb_image refuses what is more than 2^31 - 1 bytes at three of them a pixel;
 * Pillow what is more than twice its `MAX_IMAGE_PIXELS`, as a decompression bomb.
 */
const MOST_PIXELS: Readonly<Partial<Record<EngineName, number>>> = {
  'llama.cpp': Math.floor((2 ** 31 - 1) / 3),
  vllm: 2 * 89_478_485,
};

function sizeRefusal(engine: EngineName, { width, height }: Picture): string | null {
  const most = MOST_PIXELS[engine];
  if (most === undefined || (width ?? 0) * (height ?? 0) <= most) return null;
  return `${engine} refuses a picture of ${width ?? 0}x${height ?? 0} pixels: make it smaller`;
}

/** What miniaudio decodes for llama.cpp; tried on llama-server build 11669. */
const LLAMA_SOUNDS = ['wav', 'mp3', 'flac'];

/** Why `engine` does not take a sound of `format`; null when it does, or when there is no file. */
export function soundRefusal(engine: EngineName, format: string | null): string | null {
  if (engine !== 'llama.cpp' || format === null || LLAMA_SOUNDS.includes(format)) return null;
  return `llama.cpp decodes no ${format.toUpperCase()}: convert it to WAV, MP3 or FLAC`;
}

/** What has to be there besides the engine for it to decode `format`; null when nothing has. */
export function formatNeeds(engine: EngineName, format: string | null): string | null {
  return engine === 'llama.cpp' && format === 'webp' ? 'ffmpeg in PATH' : null;
}
