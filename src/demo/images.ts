import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sharp, SharpConstructor } from 'sharp';

export type DemoImage = {
  readonly path: string;
  /** What it shows that a pipeline gets wrong easily. */
  readonly trait: string;
};

const IMAGES = [
  { name: 'diagram.png', width: 640, height: 480, trait: 'PNG' },
  { name: 'photo-on-its-side.jpg', width: 1280, height: 720, trait: 'JPEG, EXIF turned by 90°' },
  { name: 'screenshot.webp', width: 1024, height: 768, trait: 'WebP' },
] as const;

/** EXIF orientation 6: the camera was turned, the picture is upright only once it is rotated. */
const TURNED = 6;

/** Writes a handful of pictures of different formats and sizes into `folder`. */
export async function writeDemoImages(folder: string): Promise<DemoImage[]> {
  const { default: sharp } = await import('sharp');
  await mkdir(folder, { recursive: true });
  return Promise.all(
    IMAGES.map(async ({ name, width, height, trait }) => {
      const path = join(folder, name);
      const partial = `${path}.${process.pid}.part`;
      await writeFile(partial, await encode(sharp, name, width, height));
      await rename(partial, path);
      return { path, trait };
    }),
  );
}

/** Shapes on a gradient: compresses to a few KB and is not one flat colour. */
function encode(
  sharp: SharpConstructor,
  name: string,
  width: number,
  height: number,
): Promise<Buffer> {
  const drawing =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    '<defs><linearGradient id="sky" x2="0" y2="1"><stop stop-color="#2a6fdb"/>' +
    '<stop offset="1" stop-color="#f4d9a5"/></linearGradient></defs>' +
    `<rect width="${width}" height="${height}" fill="url(#sky)"/>` +
    `<circle cx="${width / 3}" cy="${height / 3}" r="${height / 6}" fill="#ffd23f"/>` +
    `<rect x="${width / 2}" y="${height / 2}" width="${width / 3}" height="${height / 3}" fill="#8b3a3a"/>` +
    '</svg>';
  return inFormat(sharp(Buffer.from(drawing)), name).toBuffer();
}

function inFormat(picture: Sharp, name: string): Sharp {
  if (name.endsWith('.png')) return picture.png();
  if (name.endsWith('.webp')) return picture.webp();
  return picture.withMetadata({ orientation: TURNED }).jpeg();
}
