import { GatewayError } from '../errors.ts';
import type { Json } from '../json.ts';
import { asArray, fieldOf, isObject } from '../json.ts';
import type { MediaKind, MediaPart } from '../../seams.ts';
import { readSource } from './media-source.ts';
import type { EngineMedia, PromptPiece, TakenApart } from './taken-apart.ts';

/** Where media stand in a message's parts: as the client sent them, or in front of the texts. */
export type ImageOrder = 'first' | 'as-sent';

/** What changes the rendered prompt beside the messages themselves. */
const PROMPT_FIELDS = ['tools', 'tool_choice', 'chat_template_kwargs', 'reasoning_effort'];

/** The parts that carry media, by `type`: OpenAI's own, and those of vLLM and llama.cpp for films. */
const MEDIA_PARTS: Readonly<Record<string, MediaKind>> = {
  image_url: 'image',
  input_audio: 'audio',
  audio_url: 'audio',
  video_url: 'video',
  input_video: 'video',
  // PDF pages are images to every model served here.
  file: 'image',
};

/** Where parts of a chat stood in the request of another interface that it was made from. */
export type Places = ReadonlyMap<unknown, string>;

/**
 * Takes the media out of a chat request. Throws `invalid_media` (400) that names the part for what is
 * neither a data URI nor a web address; whether an address may be fetched is the firewall's decision.
 */
export function takeChatApart(
  request: Json,
  order: ImageOrder = 'as-sent',
  places: Places = new Map(),
): TakenApart {
  const collector = new Collector(places);
  collector.words(rootOf(request));
  const rebuilds = asArray(request['messages']).map((message, at) =>
    takeMessageApart(message, `messages[${at}]`, order, collector),
  );
  return {
    parts: collector.parts,
    pieces: collector.pieces,
    reordered: collector.reordered,
    putBack: (media) =>
      collector.parts.length === 0
        ? request
        : { ...request, messages: rebuilds.map((rebuild) => rebuild(media)) },
  };
}

type PutBack<Result> = (media: readonly (readonly EngineMedia[])[]) => Result;

/** What is found on the way through a request. */
class Collector {
  readonly parts: MediaPart[] = [];
  readonly pieces: PromptPiece[] = [];
  readonly places: Places;
  reordered = false;

  constructor(places: Places) {
    this.places = places;
  }

  words(value: unknown): void {
    this.pieces.push({ kind: 'words', words: JSON.stringify(value) });
  }

  media(part: MediaPart): number {
    const number = this.parts.push(part) - 1;
    this.pieces.push({ kind: 'media', part: number });
    return number;
  }
}

function takeMessageApart(
  message: unknown,
  place: string,
  order: ImageOrder,
  collector: Collector,
): PutBack<unknown> {
  if (!isObject(message)) return () => message;
  if (!Array.isArray(message['content'])) {
    collector.words(message);
    return () => message;
  }
  const { content, ...around } = message;
  collector.words(around);
  const sent = asArray(content);
  const sorted = order === 'first' ? mediaFirst(sent) : sent;
  collector.reordered ||= sorted.some((part, index) => part !== sent[index]);
  const rebuilds = sorted.map((part) => {
    const at = collector.places.get(part) ?? `${place}.content[${sent.indexOf(part)}]`;
    return takePartApart(part, at, collector);
  });
  return (media) => ({ ...message, content: rebuilds.flatMap((rebuild) => rebuild(media)) });
}

function takePartApart(
  part: unknown,
  place: string,
  collector: Collector,
): PutBack<readonly unknown[]> {
  const kind = mediaKindOf(part);
  if (kind === null) {
    collector.words(part);
    return () => [part];
  }
  const number = collector.media({ kind, place, source: sourceOf(part, place) });
  return (media) => (media[number] ?? []).map(enginePart);
}

/** A medium as llama-server reads it in a chat request; `data` takes addresses as well as base64. */
export function enginePart({ kind, url }: EngineMedia): Json {
  switch (kind) {
    case 'image':
      return { type: 'image_url', image_url: { url } };
    case 'video':
      return { type: 'video_url', video_url: { url } };
    case 'audio':
      return { type: 'input_audio', input_audio: { data: audioData(url), format: 'wav' } };
  }
}

/** llama-server's `input_audio.data` is bare base64 or a `file://` address, no data URI. */
function audioData(url: string): string {
  return url.startsWith('data:') ? url.slice(url.indexOf(',') + 1) : url;
}

function rootOf(request: Json): unknown {
  return PROMPT_FIELDS.map((name) => request[name] ?? null);
}

function mediaFirst(content: readonly unknown[]): readonly unknown[] {
  const isMedia = (part: unknown) => mediaKindOf(part) !== null;
  return [...content.filter(isMedia), ...content.filter((part) => !isMedia(part))];
}

function mediaKindOf(part: unknown): MediaKind | null {
  const type = fieldOf(part, 'type');
  return typeof type === 'string' && Object.hasOwn(MEDIA_PARTS, type)
    ? (MEDIA_PARTS[type] ?? null)
    : null;
}

function sourceOf(part: unknown, place: string): MediaPart['source'] {
  const type = String(fieldOf(part, 'type'));
  const holder = fieldOf(part, type);
  if (type === 'input_audio') {
    const data = fieldOf(holder, 'data');
    if (typeof data === 'string') return readSource(data, place, 'base64');
  }
  const named = type === 'file' ? fieldOf(holder, 'file_data') : undefined;
  const url = named ?? (typeof holder === 'string' ? holder : fieldOf(holder, 'url'));
  if (typeof url === 'string') return readSource(url, place, 'address');
  throw new GatewayError(400, 'invalid_media', `\`${place}\` holds no ${type}: ${wanted(type)}`);
}

function wanted(type: string): string {
  if (type === 'input_audio') return 'send `{"input_audio": {"data": "BASE64", "format": "wav"}}`';
  if (type === 'file') return 'send `{"file": {"file_data": "data:application/pdf;base64,…"}}`';
  return `send \`{"${type}": {"url": "data:…;base64,…"}}\``;
}
