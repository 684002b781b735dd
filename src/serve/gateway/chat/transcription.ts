import type { TakenApart } from './taken-apart.ts';
import { enginePart } from './chat-request.ts';
import type { EngineAnswer } from '../engine-call.ts';
import { GatewayError } from '../errors.ts';
import { asArray, fieldOf, parseObject } from '../json.ts';

export type Transcription = {
  readonly sound: Buffer;
  readonly language: string | null;
  /** Words that the speakers may use, as OpenAI's interface has it. */
  readonly context: string | null;
  readonly temperature: number;
  readonly format: TranscriptFormat;
};

export type TranscriptFormat = 'json' | 'text';

/**
 * What is asked of the form of `/v1/audio/transcriptions`. Throws `invalid_field` (400) for what a chat
 * model cannot give: times of words, subtitles, a stream.
 */
export function transcriptionOf(
  fields: ReadonlyMap<string, string>,
  sound: Buffer | undefined,
): Transcription {
  if (sound === undefined || sound.length === 0) {
    throw new GatewayError(400, 'invalid_media', 'the form has no `file`: send the sound in it');
  }
  const format = fields.get('response_format') ?? 'json';
  if (format !== 'json' && format !== 'text') {
    const message = `\`response_format\` is \`${format}\`: a model that hears in a chat gives \`json\` or \`text\`, and no times`;
    throw new GatewayError(400, 'invalid_field', message);
  }
  if (fields.get('stream') === 'true') {
    throw new GatewayError(
      400,
      'invalid_field',
      'a transcription is not streamed: leave `stream` out',
    );
  }
  const temperature = Number(fields.get('temperature') ?? 0);
  if (!(temperature >= 0 && temperature <= 2)) {
    throw new GatewayError(400, 'invalid_field', '`temperature` is a number from 0 to 2');
  }
  return {
    sound,
    format,
    temperature,
    language: fields.get('language') ?? null,
    context: fields.get('prompt') ?? null,
  };
}

/** The chat that asks for it: models that hear in llama.cpp are asked in words. */
export function takeTranscriptionApart(asked: Transcription): TakenApart {
  const words = [
    'Transcribe audio to text',
    ...(asked.language === null ? [] : [`(language: ${asked.language})`]),
    ...(asked.context === null ? [] : [`(context: ${asked.context})`]),
  ].join(' ');
  return {
    parts: [{ kind: 'audio', place: 'file', source: { kind: 'bytes', bytes: asked.sound } }],
    pieces: [
      { kind: 'words', words },
      { kind: 'media', part: 0 },
    ],
    reordered: false,
    putBack: ([sound = []]) => ({
      messages: [
        { role: 'user', content: [{ type: 'text', text: words }, ...sound.map(enginePart)] },
      ],
      temperature: asked.temperature,
    }),
  };
}

/** A chat's answer as a transcript; a refusal stays as it is. */
export function transcriptAnswer(answer: EngineAnswer, format: TranscriptFormat): EngineAnswer {
  if (answer.kind !== 'whole' || answer.status !== 200) return answer;
  const chat = parseObject(answer.bytes);
  const content = fieldOf(fieldOf(asArray(chat['choices'])[0], 'message'), 'content');
  const text = typeof content === 'string' ? content.trim() : '';
  if (format === 'text') {
    return { ...answer, type: 'text/plain; charset=utf-8', bytes: Buffer.from(`${text}\n`) };
  }
  const { usage } = chat;
  const told = {
    type: 'tokens',
    input_tokens: fieldOf(usage, 'prompt_tokens') ?? 0,
    output_tokens: fieldOf(usage, 'completion_tokens') ?? 0,
    total_tokens: fieldOf(usage, 'total_tokens') ?? 0,
    input_token_details: {
      audio_tokens: fieldOf(fieldOf(usage, 'prompt_tokens_details'), 'audio_tokens') ?? null,
    },
  };
  return { ...answer, bytes: Buffer.from(JSON.stringify({ text, usage: told })) };
}
