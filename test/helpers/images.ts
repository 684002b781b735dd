import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { onTestFinished } from 'vitest';
import { rmSync } from 'node:fs';

export type ImageSpec = {
  readonly width: number;
  readonly height: number;
  readonly format: 'png' | 'jpeg' | 'webp' | 'gif' | 'tiff' | 'avif';
  /** EXIF orientation, 1 to 8. */
  readonly orientation?: number;
};

/** A real picture of one colour, encoded by libvips. */
export async function imageBytes({ width, height, format, orientation }: ImageSpec) {
  const plain = sharp({
    create: { width, height, channels: 3, background: { r: 90, g: 120, b: 200 } },
  });
  const turned = orientation === undefined ? plain : plain.withMetadata({ orientation });
  return turned.toFormat(format).toBuffer();
}

/** A folder that is gone when the test has finished. */
export function imageFolder(): {
  readonly path: string;
  readonly add: (name: string, content: string | Uint8Array) => string;
} {
  const path = mkdtempSync(join(tmpdir(), 'mmdeploy-images-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    add: (name, content) => {
      const file = join(path, name);
      writeFileSync(file, content);
      return file;
    },
  };
}
