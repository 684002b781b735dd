import { messageOf } from '../../errors.ts';
import {
  type ChatTemplate,
  DEFAULT_TEMPLATE,
  type RenderedContent,
  type TemplateMessage,
  compileTemplate,
} from './template.ts';
import type { UnsupportedTokenizer, Vocabulary } from './vocabulary.ts';

/** A part of a message as the OpenAI API has them; whatever is not `text` is an image, audio or video. */
type ChatPart = { readonly type: string; readonly text?: string };
export type ChatMessage = { readonly role: string; readonly content: string | readonly ChatPart[] };

export type PromptTokens =
  | {
      readonly kind: 'exact';
      /** Tokens of the prompt without its media and without what the engine puts around them. */
      readonly tokens: number;
      /** Images, audio clips and videos in the prompt; each adds its own tokens and wrappers. */
      readonly media: number;
    }
  | UnsupportedTokenizer
  /** The template refuses these messages, or the engine renders them in a way not followed here. */
  | { readonly kind: 'unsupported-chat'; readonly reason: string };

/** Stands for an image in the rendered prompt. Private-use characters: no text contains them by chance. */
const MEDIA = '\u{F5B1E}media\u{F5B1E}';

/**
 * Text tokens that llama-server bills for a chat request: the prompt is rendered, cut at its media, and
 * each piece of text tokenised by itself (`mtmd_tokenize`), so that with an SPM vocabulary each piece
 * gets its own leading space. Add `media` times the tokens of the image and of its wrappers
 * (`countWrapper`) for the prompt's total.
 *
 * `template` is `tokenizer.chat_template`, null where the file has none. For many chats of one model
 * take `promptCounter`, which prepares the template once.
 */
export function promptTextTokens(
  messages: readonly ChatMessage[],
  template: string | null,
  vocab: Vocabulary | UnsupportedTokenizer,
): PromptTokens {
  return promptCounter(template, vocab)(messages);
}

/** `promptTextTokens` for one template and vocabulary. */
export function promptCounter(
  template: string | null,
  vocab: Vocabulary | UnsupportedTokenizer,
): (messages: readonly ChatMessage[]) => PromptTokens {
  if (vocab.kind === 'unsupported-tokenizer') return () => vocab;
  const { frame } = vocab;
  if (frame !== null) return (messages) => framedTokens(messages, vocab, frame);
  // Only llama.cpp has a template of its own for files without one.
  if (template === null && vocab.confidence !== 'exact') {
    return () => refused('no chat template is at hand');
  }
  const compiled = compileTemplate(template ?? DEFAULT_TEMPLATE, vocab);
  if (compiled.kind === 'broken') {
    return () => refused(`the chat template: ${compiled.reason}`);
  }
  const edges =
    (vocab.addBos && vocab.bos !== null ? 1 : 0) + (vocab.addEos && vocab.eos !== null ? 1 : 0);
  return (messages) => {
    const prompt = renderPrompt(messages, compiled.template, vocab);
    if (prompt.kind !== 'prompt') return prompt;
    const pieces = prompt.text.split(MEDIA);
    const tokens = pieces.reduce((sum, piece) => sum + countWrapper(piece, vocab), edges);
    return { kind: 'exact', tokens, media: pieces.length - 1 };
  };
}

/** Tokens of a string that the engine puts before or after each image, such as `<|vision_start|>`. */
export function countWrapper(text: string, vocab: Vocabulary): number {
  return vocab.count(text, { parseSpecial: true });
}

/** A vendor's chat: the role and the texts of each message, and a fixed frame. */
function framedTokens(
  messages: readonly ChatMessage[],
  vocab: Vocabulary,
  frame: { readonly message: number; readonly answer: number },
): PromptTokens {
  if (textsOf(messages).length === 0) {
    return refused('what the vendor puts around a message without text is not published');
  }
  const literal = { parseSpecial: false };
  const texts = [...messages.map(({ role }) => role), ...textsOf(messages)];
  const media = messages.flatMap(partsOf).filter(({ type }) => type !== 'text').length;
  return {
    kind: 'exact',
    tokens:
      frame.answer +
      messages.length * frame.message +
      texts.reduce((sum, text) => sum + vocab.count(text, literal), 0),
    media,
  };
}

type Refusal = Extract<PromptTokens, { kind: 'unsupported-chat' }>;
type Prompt = { readonly kind: 'prompt'; readonly text: string } | Refusal;

function refused(reason: string): Refusal {
  return { kind: 'unsupported-chat', reason };
}

function renderPrompt(
  messages: readonly ChatMessage[],
  template: ChatTemplate,
  vocab: Vocabulary,
): Prompt {
  if (messages.at(-1)?.role === 'assistant') {
    return refused('the last message is of the assistant: the engine would continue it');
  }
  if (textsOf(messages).some((text) => text.includes(MEDIA))) {
    return refused('a message contains the characters that stand for an image here');
  }
  if (!template.abilities.strings && !template.abilities.parts) {
    return refused('the chat template prints no message');
  }
  try {
    const text = template.render(prepared(messages, template));
    const wanted = messages.flatMap(partsOf).filter(({ type }) => type !== 'text').length;
    if (text.split(MEDIA).length - 1 !== wanted) {
      return refused('the chat template drops or repeats images');
    }
    return { kind: 'prompt', text: withoutEdges(text, vocab) };
  } catch (error) {
    return refused(`the chat template: ${messageOf(error)}`);
  }
}

function partsOf(message: ChatMessage): readonly ChatPart[] {
  return typeof message.content === 'string' ? [] : message.content;
}

function textsOf(messages: readonly ChatMessage[]): string[] {
  return messages.flatMap((message) =>
    typeof message.content === 'string'
      ? [message.content]
      : message.content.flatMap(({ text }) => text ?? []),
  );
}

/** Messages in the form the template takes (`render_message_to_json` of llama.cpp's `chat.cpp`). */
function prepared(messages: readonly ChatMessage[], template: ChatTemplate): TemplateMessage[] {
  const { strings, parts, system } = template.abilities;
  const all = messages.map(({ role, content }) => ({
    role: role === 'developer' ? 'system' : role,
    content: contentFor(content, { strings, parts }),
  }));
  const [first, second, ...others] = all;
  if (system || first?.role !== 'system') return all;
  // The template knows no system message: its text goes before that of the next message.
  if (second === undefined) return [];
  if (typeof first.content !== 'string' || typeof second.content !== 'string') {
    throw new Error('a system message in parts cannot be joined to the next one');
  }
  return [{ role: second.role, content: `${first.content}\n${second.content}` }, ...others];
}

function contentFor(
  content: ChatMessage['content'],
  abilities: { readonly strings: boolean; readonly parts: boolean },
): RenderedContent {
  const hasMedia = typeof content !== 'string' && content.some(({ type }) => type !== 'text');
  if (typeof content === 'string' || hasMedia || content.length === 0 || !abilities.parts) {
    const text = joined(content);
    return abilities.strings ? text : [{ type: 'text', text }];
  }
  return content.map(({ text }) => ({ type: 'text', text: text ?? '' }));
}

/** Texts are joined by a line feed, except around media. */
function joined(content: ChatMessage['content']): string {
  if (typeof content === 'string') return content;
  let text = '';
  let afterMedia = false;
  for (const part of content) {
    if (part.type !== 'text') text += MEDIA;
    else text += (afterMedia || text === '' ? '' : '\n') + (part.text ?? '');
    afterMedia = part.type !== 'text';
  }
  return text;
}

/** A begin or end token that the template prints is dropped where the tokenizer adds it anyway. */
function withoutEdges(prompt: string, vocab: Vocabulary): string {
  const bos = vocab.addBos ? (vocab.bos?.text ?? '') : '';
  const eos = vocab.addEos ? (vocab.eos?.text ?? '') : '';
  const start = prompt.startsWith(bos) ? bos.length : 0;
  const end = eos !== '' && prompt.endsWith(eos) ? prompt.length - eos.length : prompt.length;
  return prompt.slice(start, Math.max(start, end));
}
