import { cutShort } from '../../estimate/read/complete.ts';
import { contentOf } from '../../estimate/read/content.ts';
import type { MediaKind } from '../seams.ts';
import { animationFormat } from './animation.ts';
import { makePages } from './documents.ts';
import { makeFilm } from './films.ts';
import { refused } from './limits.ts';
import type { Made, SentFile, Workshop } from './made.ts';
import { makePicture } from './pictures.ts';
import { makeSound } from './sounds.ts';

/** As many first bytes as tell the kind of file. */
const HEAD_BYTES = 8 * 1024;

/**
 * What a file comes to, by what it holds; what the client called it says only what it was meant for.
 * Throws `GatewayError` for what is refused.
 */
export async function* makersOf(
  file: SentFile,
  kind: MediaKind,
  shop: Workshop,
): AsyncGenerator<Made> {
  const { place, bytes } = file;
  const head = bytes.subarray(0, HEAD_BYTES);
  const content = contentOf(head);
  const isFor = (...kinds: readonly MediaKind[]) => {
    if (!kinds.includes(kind)) throw refused(place, `${HOLDS[content.kind]}, ${MEANT[kind]}`);
  };
  switch (content.kind) {
    case 'image':
      isFor('image', 'video');
      yield* pictureOrAnimation(file, kind, shop);
      return;
    case 'pdf':
      isFor('image');
      refuseCut(file, 'pdf');
      yield* makePages(file, shop);
      return;
    case 'media':
      isFor('audio', 'video');
      refuseCut(file, content.format);
      if (kind === 'video') yield* makeFilm(file, content.format, shop);
      else yield await makeSound(file, content.format, shop);
      return;
    case 'svg':
      throw refused(place, 'SVG has no pixels: render it to PNG');
    case 'other':
      throw refused(place, content.what);
    case 'text':
      throw refused(place, 'it holds text');
  }
}

/** Of an animation that was sent as a picture the first frame; one that was sent as a film is one. */
async function* pictureOrAnimation(
  file: SentFile,
  kind: MediaKind,
  shop: Workshop,
): AsyncGenerator<Made> {
  const moving = kind === 'video' ? await animationFormat(file.bytes) : null;
  if (moving === 'webp')
    throw refused(file.place, 'animated WebP is no film here: send MP4 or GIF');
  if (moving === null) yield await makePicture(file, shop);
  else yield* makeFilm(file, moving, shop);
}

const HOLDS: Readonly<Record<string, string>> = {
  image: 'it holds a picture',
  pdf: 'it holds a PDF',
  media: 'it holds sound or film',
};
const MEANT: Readonly<Record<MediaKind, string>> = {
  image: 'and was sent as an image: send it as `input_audio` or `video_url`',
  audio: 'and was sent as sound: send it as `image_url`',
  video: 'and was sent as a film: send it as `image_url`',
};

/** A container tells how long it has to be. */
function refuseCut({ place, bytes }: SentFile, format: string): void {
  const readAt = (position: number, length: number) => bytes.subarray(position, position + length);
  const open = { head: readAt(0, HEAD_BYTES), readAt, close: () => undefined };
  const cut = cutShort(open, format, bytes.length);
  if (cut !== null) throw refused(place, cut);
}
