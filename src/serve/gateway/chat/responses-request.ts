import type { MediaPart } from '../../seams.ts';
import { GatewayError } from '../errors.ts';
import type { Json } from '../json.ts';
import { asArray, fieldOf, isObject } from '../json.ts';
import { readSource } from './media-source.ts';
import type { EngineMedia, PromptPiece, TakenApart } from './taken-apart.ts';

/** What changes the rendered prompt beside the items themselves. */
const PROMPT_FIELDS = ['instructions', 'tools', 'tool_choice', 'chat_template_kwargs', 'reasoning'];

type Found = { readonly parts: MediaPart[]; readonly pieces: PromptPiece[] };
type PutBack = (media: readonly (readonly EngineMedia[])[]) => unknown;

/**
 * Takes the media out of a request to `/v1/responses`: images and files of messages, and those that a
 * tool gave back. Throws `invalid_media` (400) that names the part.
 *
 * The request that is put back says its schema as a chat does: llama-server (build 11669) passes
 * `text.format` over without a word.
 */
export function takeResponsesApart(sent: Json): TakenApart {
  const request = withChatFormat(sent);
  const found: Found = { parts: [], pieces: [] };
  addWords(found, [
    ...PROMPT_FIELDS.map((name) => request[name] ?? null),
    request['response_format'] ?? null,
  ]);
  const { input } = request;
  if (!Array.isArray(input)) addWords(found, input ?? null);
  const rebuilds = asArray(input).map((item, at) => takeItemApart(item, `input[${at}]`, found));
  return {
    parts: found.parts,
    pieces: found.pieces,
    reordered: false,
    putBack: (media) =>
      found.parts.length === 0
        ? request
        : { ...request, input: rebuilds.map((rebuild) => rebuild(media)) },
  };
}

function withChatFormat(request: Json): Json {
  const { text, ...others } = request;
  const format = fieldOf(text, 'format');
  if (!isObject(format) || others['response_format'] !== undefined) return others;
  const { type, ...schema } = format;
  if (type === 'json_schema') {
    return { ...others, response_format: { type, json_schema: schema } };
  }
  return type === 'json_object' ? { ...others, response_format: { type } } : others;
}

function addWords({ pieces }: Found, value: unknown): void {
  pieces.push({ kind: 'words', words: JSON.stringify(value) });
}

/** An item's parts stand in `content` (messages) or `output` (what a tool gave back). */
function takeItemApart(item: unknown, place: string, found: Found): PutBack {
  const name = Array.isArray(fieldOf(item, 'content')) ? 'content' : 'output';
  const list = fieldOf(item, name);
  if (!isObject(item) || !Array.isArray(list)) {
    addWords(found, item);
    return () => item;
  }
  addWords(found, { ...item, [name]: null });
  const rebuilds = list.map((part, at) => takePartApart(part, `${place}.${name}[${at}]`, found));
  return (media) => ({ ...item, [name]: rebuilds.flatMap((rebuild) => rebuild(media)) });
}

function takePartApart(
  part: unknown,
  place: string,
  found: Found,
): (media: readonly (readonly EngineMedia[])[]) => readonly unknown[] {
  const type = fieldOf(part, 'type');
  if (type !== 'input_image' && type !== 'input_file') {
    addWords(found, part);
    return () => [part];
  }
  const source = readSource(addressOf(part, type, place), place, 'address');
  const number = found.parts.push({ kind: 'image', place, source }) - 1;
  found.pieces.push({ kind: 'media', part: number });
  return (media) =>
    (media[number] ?? []).map(({ url }) => ({ type: 'input_image', image_url: url }));
}

function addressOf(part: unknown, type: string, place: string): string {
  const names = type === 'input_image' ? ['image_url'] : ['file_data', 'file_url'];
  for (const name of names) {
    const value = fieldOf(part, name);
    if (typeof value === 'string') return value;
  }
  throw new GatewayError(
    400,
    'invalid_media',
    `\`${place}\` holds no ${type}: send \`{"type": "${type}", "${names[0] ?? ''}": "data:…;base64,…"}\``,
  );
}
