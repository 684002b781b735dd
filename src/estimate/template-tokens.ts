import { promptCounter } from '../tokens/text/chat.ts';
import { sum } from '../units.ts';
import type { CountedInput, CountedModel } from './count.ts';

/** How to tell what is put around the parts of a request. */
export type TemplateCounter =
  /** A template, and cuts around media: of all parts together; null: not one that is followed here. */
  | { readonly kind: 'joint'; readonly count: (parts: readonly CountedInput[]) => number | null }
  /** The same for every request with text in it; what a vendor puts around one without is not published. */
  | { readonly kind: 'frame'; readonly tokens: () => number }
  | { readonly kind: 'unknown' };

/** What is put around texts that were counted one by one, where the model's tokenizer is at hand. */
export function templateCounter({ vocabulary, chatTemplate }: CountedModel): TemplateCounter {
  if (vocabulary === null) return { kind: 'unknown' };
  const countPrompt = promptCounter(chatTemplate, vocabulary);
  if (vocabulary.frame !== null) {
    const framed = () => countPrompt([{ role: 'user', content: '' }]);
    let tokens: number | undefined;
    return {
      kind: 'frame',
      tokens: () => {
        const prompt = tokens === undefined ? framed() : null;
        if (prompt?.kind === 'exact') tokens = prompt.tokens;
        return tokens ?? 0;
      },
    };
  }
  // Requests that hold nothing but images are all alike: there is no text between them.
  let imagesOnly: number | null | undefined;
  const count = (parts: readonly CountedInput[]): number | null => {
    const written = parts.filter(({ input }) => input.modality === 'image' || input.text !== null);
    const message = { role: 'user', content: written.flatMap(contentOf) };
    const prompt = countPrompt([message]);
    if (prompt.kind !== 'exact') return null;
    const texts = written.filter(({ input }) => input.modality === 'text');
    return prompt.tokens - sum(texts.map(({ item, input }) => (item.tokens ?? 0) * input.count));
  };
  return {
    kind: 'joint',
    count: (parts) => {
      if (!parts.every(({ input }) => input.modality === 'image')) return count(parts);
      imagesOnly ??= count(parts.slice(0, 1));
      return imagesOnly;
    },
  };
}

/** Images that follow one another have no text between them: one stands for all of them. */
function contentOf({ input }: CountedInput, index: number, all: readonly CountedInput[]) {
  if (input.modality === 'text') return [{ type: 'text', text: input.text ?? '' }];
  return all[index - 1]?.input.modality === 'image' ? [] : [{ type: 'image_url' }];
}
