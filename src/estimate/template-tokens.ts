import type { ChatMessage } from '../tokens/text/chat.ts';
import { promptCounter } from '../tokens/text/chat.ts';
import { sum } from '../units.ts';
import type { CountedInput, CountedModel } from './count.ts';

/** Who speaks in a chat request. */
export type ChatRequest = {
  /** Of each message, in order. */
  readonly roles: readonly string[];
  /** Tools are called in it: what a template makes of that is not followed here. */
  readonly partly: boolean;
};

/** An input of a request, and the message that it belongs to; null where there are none, and for tools. */
export type RequestPart = { readonly counted: CountedInput; readonly message: number | null };

/** How to tell what is put around the parts of a request; `chat` is null for inputs that are one message. */
export type TemplateCounter =
  /** A template, and cuts around media: of all parts together; null: not one that is followed here. */
  | {
      readonly kind: 'joint';
      readonly count: (parts: readonly RequestPart[], chat: ChatRequest | null) => number | null;
    }
  /** By the roles alone, for every request with text in it; what is put around one without is not published. */
  | { readonly kind: 'frame'; readonly tokens: (chat: ChatRequest | null) => number }
  | { readonly kind: 'unknown' };

/** What is put around texts that were counted one by one, where the model's tokenizer is at hand. */
export function templateCounter({ vocabulary, chatTemplate }: CountedModel): TemplateCounter {
  if (vocabulary === null) return { kind: 'unknown' };
  const countPrompt = promptCounter(chatTemplate, vocabulary);
  return vocabulary.frame === null ? jointCounter(countPrompt) : frameCounter(countPrompt);
}

type CountPrompt = ReturnType<typeof promptCounter>;

/** Requests of a batch seldom differ in their roles. */
const REMEMBERED_CHATS = 1000;

function frameCounter(countPrompt: CountPrompt): TemplateCounter {
  const known = new Map<string, number>();
  return {
    kind: 'frame',
    tokens: (chat) => {
      const roles = chat?.roles ?? ['user'];
      const key = roles.join('\n');
      const before = known.get(key);
      if (before !== undefined) return before;
      const prompt = countPrompt(roles.map((role) => ({ role, content: '' })));
      const tokens = prompt.kind === 'exact' ? prompt.tokens : 0;
      if (known.size >= REMEMBERED_CHATS) known.clear();
      known.set(key, tokens);
      return tokens;
    },
  };
}

function jointCounter(countPrompt: CountPrompt): TemplateCounter {
  // Requests that hold nothing but images are all alike: there is no text between them.
  let imagesOnly: number | null | undefined;
  const count = (parts: readonly RequestPart[], chat: ChatRequest | null): number | null => {
    if (chat?.partly === true) return null;
    const written = parts.filter(
      ({ counted: { input }, message }) =>
        (input.modality === 'image' || input.text !== null) && (chat === null || message !== null),
    );
    const prompt = countPrompt(messagesOf(written, chat));
    if (prompt.kind !== 'exact') return null;
    const texts = written.filter(({ counted }) => counted.input.modality === 'text');
    return (
      prompt.tokens -
      sum(texts.map(({ counted: { item, input } }) => (item.tokens ?? 0) * input.count))
    );
  };
  return {
    kind: 'joint',
    count: (parts, chat) => {
      const pictures = parts.every(({ counted }) => counted.input.modality === 'image');
      if (chat !== null || !pictures) return count(parts, chat);
      imagesOnly ??= count(parts.slice(0, 1), chat);
      return imagesOnly;
    },
  };
}

function messagesOf(parts: readonly RequestPart[], chat: ChatRequest | null): ChatMessage[] {
  const content = (own: readonly RequestPart[]) => own.flatMap(contentOf);
  if (chat === null) return [{ role: 'user', content: content(parts) }];
  return chat.roles.map((role, at) => {
    const own = content(parts.filter(({ message }) => message === at));
    const [first] = own;
    // As most requests have it, and templates take it in every message.
    if (own.length <= 1 && first?.type !== 'image_url') return { role, content: first?.text ?? '' };
    return { role, content: own };
  });
}

type Content = Exclude<ChatMessage['content'], string>;

/** Images that follow one another have no text between them: one stands for all of them. */
function contentOf(
  { counted: { input } }: RequestPart,
  index: number,
  all: readonly RequestPart[],
): Content {
  if (input.modality === 'text') return [{ type: 'text', text: input.text ?? '' }];
  return all[index - 1]?.counted.input.modality === 'image' ? [] : [{ type: 'image_url' }];
}
