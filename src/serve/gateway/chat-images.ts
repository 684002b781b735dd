import { isObject, type Json } from './json.ts';

export type ChatContent = {
  /** The messages' own texts, in order. */
  readonly texts: readonly string[];
  /** One entry per media part, in order: the file's bytes, or null where they are not in the request. */
  readonly media: readonly (Buffer | null)[];
  /** The same request with every image replaced by a byte: enough to render the prompt. */
  readonly light: Json;
};

/** Valid base64 that is never decoded as an image. */
const PLACEHOLDER = { url: 'data:image/png;base64,AA==' };

/** Takes a chat request apart into what has to be counted. */
export function chatContent(request: Json): ChatContent {
  const texts: string[] = [];
  const media: (Buffer | null)[] = [];
  const lightPart = (part: unknown): unknown => {
    if (!isObject(part)) return part;
    if (part['type'] === 'text') {
      if (typeof part['text'] === 'string') texts.push(part['text']);
      return part;
    }
    const url = isObject(part['image_url']) ? part['image_url']['url'] : undefined;
    media.push(part['type'] === 'image_url' ? dataUriBytes(url) : null);
    return part['type'] === 'image_url' ? { ...part, image_url: PLACEHOLDER } : part;
  };
  const lightMessage = (message: unknown): unknown => {
    if (!isObject(message)) return message;
    const { content } = message;
    if (typeof content === 'string') texts.push(content);
    return Array.isArray(content) ? { ...message, content: content.map(lightPart) } : message;
  };
  const { messages } = request;
  const light = Array.isArray(messages)
    ? { ...request, messages: messages.map(lightMessage) }
    : request;
  return { texts, media, light };
}

function dataUriBytes(url: unknown): Buffer | null {
  if (typeof url !== 'string') return null;
  const comma = url.indexOf(',');
  if (comma === -1 || !/^data:[^,]*;base64$/i.test(url.slice(0, comma))) return null;
  return Buffer.from(url.slice(comma + 1), 'base64');
}
