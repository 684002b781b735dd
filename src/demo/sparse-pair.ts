import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelDescription } from '../contracts/model.ts';
import { writeGguf } from '../gguf/write-file.ts';
import { projectorTensors } from '../layout/projector-file.ts';
import { encoderMetadata } from './encoder-metadata.ts';
import { textMetadata } from './metadata.ts';
import { placeholderTokenizer } from './tokenizer.ts';

export type SparsePair = { readonly model: string | null; readonly mmproj: string | null };

/**
 * Writes a model's files with their real dimensions and lengths but holes for weights: llama.cpp lays
 * them out in memory like the real ones, while a 26B model costs under 10 MB of disk. The vocabulary has
 * the right size and meaningless words. Null for a part that the description does not have.
 */
export async function writeSparsePair(
  description: Pick<ModelDescription, 'id' | 'name' | 'text' | 'encoder'>,
  folder: string,
): Promise<SparsePair> {
  const { id, name, text, encoder } = description;
  await mkdir(folder, { recursive: true });
  const model = text === null ? null : join(folder, `${id}.gguf`);
  const mmproj = encoder === null ? null : join(folder, `${id}-mmproj.gguf`);
  if (text !== null && model !== null) {
    const metadata = [...textMetadata(name, text), ...placeholderTokenizer(text.vocabulary)];
    await writeGguf(model, { metadata, tensors: text.tensors }, null);
  }
  if (encoder !== null && mmproj !== null) {
    const metadata = encoderMetadata(name, encoder);
    const content = { metadata, tensors: projectorTensors(encoder) };
    await writeGguf(mmproj, content, null);
  }
  return { model, mmproj };
}
