import { promptCounter } from '../tokens/text/chat.ts';
import { sum } from '../units.ts';
import type { CountedInput, CountedModel } from './count.ts';

/** Tokens that the chat template and the cuts around media add to the parts of one request; null: not known. */
export type TemplateCounter = (parts: readonly CountedInput[]) => number | null;

/**
 * What the chat template of a model adds to texts that were counted one by one; null where the model's
 * tokenizer or template is not at hand, or not one that is followed here.
 */
export function templateCounter(model: CountedModel): TemplateCounter {
  const { vocabulary, chatTemplate } = model;
  if (vocabulary === null) return () => null;
  const countPrompt = promptCounter(chatTemplate, vocabulary);
  // Requests that hold nothing but images are all alike: there is no text between them.
  let imagesOnly: number | null | undefined;
  const count = (parts: readonly CountedInput[]): number | null => {
    if (parts.some(({ input }) => ['audio', 'video'].includes(input.modality))) return null;
    const written = parts.filter(({ input }) => input.modality === 'image' || input.text !== null);
    const message = { role: 'user', content: written.flatMap(contentOf) };
    const prompt = countPrompt([message]);
    if (prompt.kind !== 'exact') return null;
    const texts = written.filter(({ input }) => input.modality === 'text');
    return prompt.tokens - sum(texts.map(({ item, input }) => (item.tokens ?? 0) * input.count));
  };
  return (parts) => {
    if (!parts.every(({ input }) => input.modality === 'image')) return count(parts);
    imagesOnly ??= count(parts.slice(0, 1));
    return imagesOnly;
  };
}

/** Images that follow one another have no text between them: one stands for all of them. */
function contentOf({ input }: CountedInput, index: number, all: readonly CountedInput[]) {
  if (input.modality === 'text') return [{ type: 'text', text: input.text ?? '' }];
  return all[index - 1]?.input.modality === 'image' ? [] : [{ type: 'image_url' }];
}
