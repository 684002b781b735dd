import { base64Bytes } from './data-uri.ts';
import { badDetail, isDetail } from './item.ts';
import type { OpenRow, Problem } from './row.ts';
import { addSource, addText, isObject, shown, unreadable } from './row.ts';

type Json = Readonly<Record<string, unknown>>;
type PartReader = (row: OpenRow, part: Json, where: string) => Problem;

/** A message's content: a text, or a list of parts. Null is an assistant's turn that only calls tools. */
export function addContent(row: OpenRow, content: unknown, where: string): Problem {
  if (content === null || content === undefined) return null;
  if (typeof content === 'string') {
    addText(row, where, content);
    return null;
  }
  if (!Array.isArray(content)) return `${where}: ${shown(content)} is neither text nor a list`;
  for (const [index, part] of (content as readonly unknown[]).entries()) {
    const problem = addPart(row, part, `${where}[${index}]`);
    if (problem !== null) return problem;
  }
  return null;
}

function addPart(row: OpenRow, part: unknown, where: string): Problem {
  if (typeof part === 'string') {
    addText(row, where, part);
    return null;
  }
  if (!isObject(part)) return `${where}: ${shown(part)} is no object`;
  const { type } = part;
  const read = typeof type === 'string' ? READERS.get(type) : undefined;
  if (read !== undefined) return read(row, part, where);
  if (typeof type !== 'string') return `${where}: a part without a type`;
  unreadable(row, where, `parts of type ${shown(type)} are not counted`);
  return null;
}

const textOf =
  (key: string): PartReader =>
  (row, part, where) => {
    const text = part[key];
    if (typeof text !== 'string') return `${where}.${key}: ${shown(text)} is no text`;
    addText(row, where, text);
    return null;
  };

/** `{"image_url": {"url", "detail"}}` of chat completions, and the same of audio and video as vLLM takes them. */
const addressed =
  (key: string, modality: 'image' | 'audio' | 'video'): PartReader =>
  (row, part, where) => {
    const given = part[key];
    const from = isObject(given) ? given['url'] : given;
    if (typeof from !== 'string') return heldElsewhere(row, part, where, key);
    const detail = (isObject(given) ? given['detail'] : part['detail']) ?? null;
    if (!isDetail(detail)) return badDetail(detail, `${where}.detail`);
    return addSource(row, { from, modality, count: 1, detail, where });
  };

/** Files that were uploaded before have an id, and nothing else that could be counted here. */
function heldElsewhere(row: OpenRow, part: Json, where: string, wanted: string): Problem {
  if (typeof part['file_id'] !== 'string') {
    return `${where}.${wanted}: ${shown(part[wanted])} is no address`;
  }
  unreadable(row, where, `file ${shown(part['file_id'])} is on the vendor's server only`);
  return null;
}

/** `{"data": BASE64, "format": "wav"}`. */
const inputAudio: PartReader = (row, part, where) => {
  const audio = part['input_audio'];
  if (!isObject(audio)) return `${where}.input_audio: ${shown(audio)} is no object`;
  const { data: from, format } = audio;
  if (typeof from !== 'string') return `${where}.input_audio.data: ${shown(from)} is no base64`;
  if (from.startsWith('data:')) {
    return addSource(row, { from, modality: 'audio', count: 1, detail: null, where });
  }
  const mediaType = typeof format === 'string' ? `audio/${format}` : null;
  return addBase64(row, { text: from, mediaType, modality: 'audio', where });
};

/** OpenAI's files: inside `file` in chat completions, in the part itself in responses. */
const inputFile: PartReader = (row, part, where) => {
  const file = isObject(part['file']) ? part['file'] : part;
  const from = file['file_data'] ?? file['file_url'];
  if (typeof from !== 'string') return heldElsewhere(row, file, where, 'file_data');
  const wanted = { modality: 'document', count: 1, detail: null, where } as const;
  const bare = !/^(data:|https?:\/\/)/.test(from.slice(0, 8));
  if (bare) return addBase64(row, { text: from, mediaType: null, modality: 'document', where });
  return addSource(row, { from, ...wanted });
};

/** Anthropic's `source`: base64, an address, a text, a list of parts, or an uploaded file. */
const sourced =
  (modality: 'image' | 'document'): PartReader =>
  (row, part, where) => {
    const source = part['source'];
    if (!isObject(source)) return `${where}.source: ${shown(source)} is no object`;
    const { type, data, url, media_type: media } = source;
    if (typeof url === 'string') {
      return addSource(row, { from: url, modality, count: 1, detail: null, where });
    }
    if (type === 'content') return addContent(row, source['content'], `${where}.source.content`);
    if (typeof data !== 'string') return heldElsewhere(row, source, where, 'source');
    if (type === 'text') addText(row, where, data);
    const mediaType = typeof media === 'string' ? media : null;
    return type === 'text' ? null : addBase64(row, { text: data, mediaType, modality, where });
  };

/** `{"type": "image", "image": "a.jpg"}`, as the chat templates of open models write it. */
const plainImage: PartReader = (row, part, where) =>
  typeof part['image'] === 'string'
    ? addressed('image', 'image')(row, part, where)
    : sourced('image')(row, part, where);

/** A call of a tool: its name and arguments are what the model reads again. */
const toolUse: PartReader = (row, part, where) => {
  addText(row, where, `${String(part['name'])} ${JSON.stringify(part['input'] ?? {})}`);
  return null;
};

const READERS: ReadonlyMap<string, PartReader> = new Map<string, PartReader>([
  ['text', textOf('text')],
  ['input_text', textOf('text')],
  ['output_text', textOf('text')],
  ['refusal', textOf('refusal')],
  ['image_url', addressed('image_url', 'image')],
  ['input_image', addressed('image_url', 'image')],
  ['audio_url', addressed('audio_url', 'audio')],
  ['video_url', addressed('video_url', 'video')],
  ['input_audio', inputAudio],
  ['file', inputFile],
  ['input_file', inputFile],
  ['image', plainImage],
  ['document', sourced('document')],
  ['tool_use', toolUse],
  ['tool_result', (row, part, where) => addContent(row, part['content'], `${where}.content`)],
]);

type Base64 = {
  readonly text: string;
  readonly mediaType: string | null;
  readonly modality: 'image' | 'audio' | 'document';
  readonly where: string;
};

function addBase64(row: OpenRow, { text, mediaType, modality, where }: Base64): Problem {
  const data = base64Bytes(text, mediaType);
  if (typeof data === 'string') return `${where}: ${data}`;
  const name = `${row.key}: ${where}`;
  row.parts.push({ kind: 'bytes', name, ...data, modality, count: 1, detail: null });
  return null;
}
