import { join } from 'node:path';
import { encoderMetadata } from '../../src/demo/encoder-metadata.ts';
import { textMetadata } from '../../src/demo/metadata.ts';
import type { Metadata } from '../../src/demo/tokenizer.ts';
import type { TensorInfo } from '../../src/contracts/model.ts';
import type { GgufValue } from '../../src/gguf/types.ts';
import type { TensorData } from '../../src/gguf/write-file.ts';
import { writeGguf } from '../../src/gguf/write-file.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { textModel } from '../../src/layout/model.ts';
import { encoderOf } from './encoders.ts';

/** Rows and columns of a strip: limits of the command line make hundreds of some. */
const STRIP = Array.from({ length: 140 }, (_, index) => index + 1);

/** Names of the tiles of ten by ten, and of long strips. */
const grid = (of: (row: number, column: number) => string) => [
  ...new Set([
    ...Array.from({ length: 100 }, (_, at) => of(Math.floor(at / 10) + 1, (at % 10) + 1)),
    ...STRIP.flatMap((at) => [of(at, 1), of(1, at)]),
  ]),
];

/** What the families put around images and tiles, one token each. */
const WRAPPERS = [
  ...['<|IMAGE_START|>', '<|IMAGE_END|>', '<|img|>', '<|endofimg|>'],
  ...['<|media_begin|>'],
  ...['<image_id>', '</image_id>', '0', '1'],
  ...['<image>', '</image>', '<slice>', '</slice>', '<img>', '</img>', '[IMG_END]', '\n', '\n\n'],
  ...['<start_of_image>', '<end_of_image>', '<|vision_start|>', '<|vision_end|>'],
  ...['<|image_start|>', '<|image_end|>', '<|img_thumbnail|>', '<|image>', '<image|>'],
  ...['<|begin_of_image|>', '<|end_of_image|>', '<|media_start|>'],
  ...['<fake_token_around_image>', '<global-img>', '<vision>', '</vision>'],
  ...['<im_start>', '<im_end>', '<patch_start>', '<patch_end>', '<patch_newline>'],
  ...['<|im_start|>', '<|im_end|>', '<|media_end|>', ']<]start of image[>[', ']<]end of image[>['],
  ...['<｜hy_place▁holder▁no▁100｜>', '<｜hy_place▁holder▁no▁101｜>'],
  ...['<|audio_bos|>', '<|audio_eos|>', '[BEGIN_AUDIO]', '<sound>'],
  ...['<|audio_start|>', '<|audio_end|>', '<|audio>', '<audio|>'],
  ...grid((row, column) => `<row_${row}_col_${column}>`),
  ...grid((row, column) => `<|img_row_${row}_col_${column}|>`),
];

const BYTES = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
);
const WORDS = ['▁', ...Array.from('abcdefghijklmnopqrstuvwxyz')];
const TOKENS = ['<unk>', '<s>', '</s>', ...BYTES, ...WORDS, ...WRAPPERS];
const TYPES = [2, 3, 3, ...BYTES.map(() => 6), ...WORDS.map(() => 1), ...WRAPPERS.map(() => 3)];

function tokenizer(): Metadata {
  const text = (value: string): GgufValue => ({ type: 'string', value });
  const count = (value: number): GgufValue => ({ type: 'uint32', value });
  return [
    ['tokenizer.ggml.model', text('llama')],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: TOKENS }],
    ['tokenizer.ggml.scores', { type: 'array', of: 'float32', value: TOKENS.map((_, at) => -at) }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'int32', value: TYPES }],
    ['tokenizer.ggml.unknown_token_id', count(0)],
    ['tokenizer.ggml.bos_token_id', count(1)],
    ['tokenizer.ggml.eos_token_id', count(2)],
    ['tokenizer.chat_template', text("{% for m in messages %}{{ m['content'] }}{% endfor %}")],
  ];
}

/** Weights that compute something: halves between 1/32 and 1/8 of either sign, the same in every run. */
export function* noise({ name, shape, type }: TensorInfo): Generator<Uint8Array> {
  const elements = shape.reduce((a, b) => a * b, 1);
  const isScale = /(norm|ln\d?)\.weight$/.test(name);
  let state = Array.from(name).reduce((hash, letter) => hash * 31 + letter.charCodeAt(0), 7) >>> 0;
  const bytes = Buffer.alloc(elements * (type === 'F16' ? 2 : 4));
  for (let at = 0; at < elements; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const sign = state & 0x80000000;
    if (type === 'F16') {
      bytes.writeUInt16LE(
        (sign >>> 16) | ((10 + ((state >>> 20) & 1)) << 10) | ((state >>> 8) & 0x3ff),
        2 * at,
      );
    } else
      bytes.writeFloatLE(
        isScale ? 1 : ((sign === 0 ? 1 : -1) * (1 + ((state >>> 8) & 0xff) / 256)) / 64,
        4 * at,
      );
  }
  yield bytes;
}

/**
 * A model and a projector of a family, small enough to load at once; `more` are further projector keys or others' values.
 * Without `data` the weights are zeros.
 */
export async function writeSmallPair(
  folder: string,
  dims: EncoderDims,
  more: Metadata = [],
  data: TensorData | null = null,
  arch: 'llama' | 'qwen2vl' = 'llama',
) {
  const embedding = dims.projectionDim;
  const text = textModel(
    {
      arch,
      layers: 1,
      embedding,
      heads: 2,
      kvHeads: 2,
      headSize: embedding / 2,
      feedForward: embedding,
      vocabulary: TOKENS.length,
      tiedEmbeddings: false,
      qkvBias: arch === 'qwen2vl',
    },
    32768,
  );
  const encoder = encoderOf(dims);
  const files = { model: join(folder, 'small.gguf'), mmproj: join(folder, 'small-mmproj.gguf') };
  const metadata = [...textMetadata('small', text), ...tokenizer()];
  await writeGguf(files.model, { metadata, tensors: text.tensors }, data);
  const own = new Set(more.map(([key]) => key));
  const usual = encoderMetadata('small', encoder).filter(([key]) => !own.has(key));
  const projector = { metadata: [...usual, ...more] };
  await writeGguf(files.mmproj, { ...projector, tensors: encoder.tensors }, data);
  return files;
}
