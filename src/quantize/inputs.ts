import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { MmdeployError, messageOf } from '../errors.ts';
import { prepareImage } from '../serve/client/image-file.ts';
import type { DriftInput } from './next-tokens.ts';

const IMAGE_PROMPT = 'Describe in detail what you see.';

/** For a model that sees nothing: enough of them that one odd answer does not decide. */
const TEXT_PROMPTS = [
  'Explain how a suspension bridge carries its load.',
  'Write a short story about a lighthouse keeper.',
  'List the steps to bake bread.',
];

/** What an image model is asked about each picture. Throws `file.missing`, `input.invalid`. */
export async function imageInputs(paths: readonly string[], cwd: string): Promise<DriftInput[]> {
  const inputs: DriftInput[] = [];
  for (const path of paths) {
    const url = await dataUrl(path, cwd);
    inputs.push({
      name: basename(path),
      content: [
        { type: 'image_url', image_url: { url } },
        { type: 'text', text: IMAGE_PROMPT },
      ],
    });
  }
  return inputs;
}

export function textInputs(): DriftInput[] {
  return TEXT_PROMPTS.map((text) => ({ name: text, content: [{ type: 'text', text }] }));
}

async function dataUrl(path: string, cwd: string): Promise<string> {
  const bytes = await readFile(resolve(cwd, path)).catch((error: unknown) => {
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === 'ENOENT' ? 'no such file' : messageOf(error);
    throw new MmdeployError(
      code === 'ENOENT' ? 'file.missing' : 'file.unreadable',
      `\`--images ${path}\`: ${why}`,
      { hints: ['give pictures, or leave `--images` out: some are drawn then'], cause: error },
    );
  });
  const image = await prepareImage(bytes);
  if (image.kind === 'ready') return `data:${image.mime};base64,${image.bytes.toString('base64')}`;
  const why = image.kind === 'no-image' ? 'is not an image' : `cannot be decoded: ${image.reason}`;
  throw new MmdeployError('input.invalid', `\`--images ${path}\` ${why}`, {
    hints: ['give photos or pictures, as JPEG or PNG for example'],
  });
}
