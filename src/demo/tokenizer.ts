import type { GgufValue } from '../gguf/types.ts';

export type Metadata = readonly (readonly [key: string, value: GgufValue])[];

/** `llama_token_type`: how llama.cpp treats an entry of the vocabulary. */
const TOKEN_TYPES = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;
type TokenType = keyof typeof TOKEN_TYPES;
type Token = readonly [text: string, type: TokenType];

/** What the demo model answers, one token a word; none can be made of the letters by merging. */
export const DEMO_ANSWER = [
  'This',
  '▁is',
  '▁only',
  '▁the',
  '▁demo',
  '▁model',
  '▁and',
  '▁its',
  '▁answers',
  '▁mean',
  '▁nothing',
] as const;
/** Place from which the answer goes on for as long as its end is forbidden (`ignore_eos`). */
export const DEMO_REFRAIN = DEMO_ANSWER.indexOf('▁and');

/** What engines put around images and audio; one token each only where the vocabulary has them. */
const WRAPPERS = [
  '<image>',
  '</image>',
  '<img>',
  '</img>',
  '<start_of_image>',
  '<end_of_image>',
  '<|vision_start|>',
  '<|vision_end|>',
  '[IMG]',
  '[IMG_BREAK]',
  '[IMG_END]',
  '<|audio_bos|>',
  '<|audio_eos|>',
  '[BEGIN_AUDIO]',
] as const;

/** What they put around the tiles of an image; without them a request with a tiled image is refused. */
const TILE_WRAPPERS = [
  ...['\n\n', '<slice>', '</slice>', '<fake_token_around_image>', '<global-img>'],
  ...[
    '<|img_thumbnail|>',
    '<im_start>',
    '<im_end>',
    '<patch_start>',
    '<patch_end>',
    '<patch_newline>',
  ],
] as const;

/** Further marks of single families; `0` and `1` number MiniCPM's images. */
const FAMILY_WRAPPERS = [
  ...['<image_id>', '</image_id>', '0', '1', '\n', '<sound>', '<vision>', '</vision>'],
  ...['<|image_start|>', '<|image_end|>', '<|image>', '<image|>', '<|img|>', '<|endofimg|>'],
  ...['<|begin_of_image|>', '<|end_of_image|>', '<|media_start|>', '<|media_end|>'],
  ...['<|media_begin|>', '<|IMAGE_START|>', '<|IMAGE_END|>', '<|im_start|>', '<|im_end|>'],
  ...['<｜hy_place▁holder▁no▁100｜>', '<｜hy_place▁holder▁no▁101｜>'],
  ...['<|audio_start|>', '<|audio_end|>', '<|audio>', '<audio|>'],
] as const;

/** Names of tiles, to ten rows of ten. */
const TILE_NAMES = Array.from({ length: 100 }, (_, at) => {
  const [row, column] = [Math.floor(at / 10) + 1, (at % 10) + 1];
  return [`<row_${row}_col_${column}>`, `<|img_row_${row}_col_${column}|>`];
}).flat();

const BYTE_COUNT = 256;
const byteToken = (byte: number): Token => [
  `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  'byte',
];

const BASE: readonly Token[] = [
  ['<unk>', 'unknown'],
  ['<s>', 'control'],
  ['</s>', 'control'],
  ...Array.from({ length: BYTE_COUNT }, (_, byte) => byteToken(byte)),
  ['▁', 'normal'],
];
const DEMO_TOKENS: readonly Token[] = [
  ...BASE,
  ...Array.from('abcdefghijklmnopqrstuvwxyz', (letter): Token => [letter, 'normal']),
  ...WRAPPERS.map((text): Token => [text, 'control']),
  ...DEMO_ANSWER.map((text): Token => [text, 'normal']),
];

export const DEMO_VOCABULARY: readonly string[] = DEMO_TOKENS.map(([text]) => text);
export const END_TOKEN = '</s>';

const CHAT_TEMPLATE =
  "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";

/** Tokenizer metadata of the demo model: letters, bytes and the wrappers. */
export function demoTokenizer(): Metadata {
  return [...sentencePiece(DEMO_TOKENS), ['tokenizer.chat_template', text(CHAT_TEMPLATE)]];
}

/** A vocabulary of `size` entries that have no meaning but to stand around images, for files without weights. */
export function placeholderTokenizer(size: number): Metadata {
  const words = [
    ...BASE,
    ...[...WRAPPERS, ...TILE_WRAPPERS].map((word): Token => [word, 'control']),
  ];
  const fill = Array.from({ length: Math.max(0, size - words.length) }, (_, index): Token => [
    `w${index}`,
    'normal',
  ]);
  return sentencePiece([...words, ...fill].slice(0, size));
}

const COUNTING_TOKENS: readonly Token[] = [
  ...BASE,
  ['x', 'normal'],
  ...[...WRAPPERS, ...TILE_WRAPPERS, ...FAMILY_WRAPPERS, ...TILE_NAMES].map((word): Token => [
    word,
    'control',
  ]),
];

export const COUNTING_VOCABULARY: readonly string[] = COUNTING_TOKENS.map(([text]) => text);

/** A vocabulary in which every mark around an image, a tile or a clip is one token, and a chat template. */
export function countingTokenizer(): Metadata {
  return [...sentencePiece(COUNTING_TOKENS), ['tokenizer.chat_template', text(CHAT_TEMPLATE)]];
}

function sentencePiece(tokens: readonly Token[]): Metadata {
  return [
    ['tokenizer.ggml.model', text('llama')],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: tokens.map(([word]) => word) }],
    // Merges prefer the higher score: the earlier entry.
    [
      'tokenizer.ggml.scores',
      { type: 'array', of: 'float32', value: tokens.map((_, index) => (index === 0 ? 0 : -index)) },
    ],
    [
      'tokenizer.ggml.token_type',
      { type: 'array', of: 'int32', value: tokens.map(([, type]) => TOKEN_TYPES[type]) },
    ],
    ['tokenizer.ggml.unknown_token_id', { type: 'uint32', value: 0 }],
    ['tokenizer.ggml.bos_token_id', { type: 'uint32', value: 1 }],
    ['tokenizer.ggml.eos_token_id', { type: 'uint32', value: 2 }],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: true }],
    ['tokenizer.ggml.add_eos_token', { type: 'bool', value: false }],
  ];
}

function text(value: string): GgufValue {
  return { type: 'string', value };
}
