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

/** Why `engine` does not take an image of `format`; null when it does, or when there is no file. */
export function formatRefusal(
  engine: EngineName,
  format: string | null,
  hosted?: HostedModel,
): string | null {
  const decoded = hosted?.imageFormats ?? DECODED[engine];
  if (format === null || decoded.includes(format)) return null;
  const seen = engine === 'llama.cpp' ? SEEN[format] : undefined;
  const why = seen ?? `${engine === 'api' ? 'the API' : engine} takes no ${format.toUpperCase()}`;
  return `${why}: convert it to PNG or JPEG`;
}

/** What has to be there besides the engine for it to decode `format`; null when nothing has. */
export function formatNeeds(engine: EngineName, format: string | null): string | null {
  return engine === 'llama.cpp' && format === 'webp' ? 'ffmpeg in PATH' : null;
}
