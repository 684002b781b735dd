import { join } from 'node:path';
import { encoderMetadata } from '../../src/demo/encoder-metadata.ts';
import { textMetadata } from '../../src/demo/metadata.ts';
import type { Metadata } from '../../src/demo/tokenizer.ts';
import type { GgufValue } from '../../src/gguf/types.ts';
import { writeGguf } from '../../src/gguf/write-file.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { textModel } from '../../src/layout/model.ts';
import { encoderOf } from './encoders.ts';

const grid = (of: (row: number, column: number) => string) =>
  Array.from({ length: 100 }, (_, at) => of(Math.floor(at / 10) + 1, (at % 10) + 1));

/** What the families put around images and tiles, one token each. */
const WRAPPERS = [
  ...['<image_id>', '</image_id>', '0', '1'],
  ...['<image>', '</image>', '<slice>', '</slice>', '<img>', '</img>', '[IMG_END]', '\n', '\n\n'],
  ...['<start_of_image>', '<end_of_image>', '<|vision_start|>', '<|vision_end|>'],
  ...['<|image_start|>', '<|image_end|>', '<|img_thumbnail|>', '<|image>', '<image|>'],
  ...['<|begin_of_image|>', '<|end_of_image|>', '<|media_start|>', '<|media_end|>'],
  ...['<fake_token_around_image>', '<global-img>'],
  ...['<|audio_bos|>', '<|audio_eos|>', '[BEGIN_AUDIO]'],
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

/** A model and a projector of a family, small enough to load at once; `more` are further projector keys. */
export async function writeSmallPair(folder: string, dims: EncoderDims, more: Metadata = []) {
  const embedding = dims.projectionDim;
  const text = textModel(
    {
      arch: 'llama',
      layers: 1,
      embedding,
      heads: 2,
      kvHeads: 2,
      headSize: embedding / 2,
      feedForward: embedding,
      vocabulary: TOKENS.length,
      tiedEmbeddings: false,
      qkvBias: false,
    },
    32768,
  );
  const encoder = encoderOf(dims);
  const files = { model: join(folder, 'small.gguf'), mmproj: join(folder, 'small-mmproj.gguf') };
  const metadata = [...textMetadata('small', text), ...tokenizer()];
  await writeGguf(files.model, { metadata, tensors: text.tensors }, null);
  const projector = { metadata: [...encoderMetadata('small', encoder), ...more] };
  await writeGguf(files.mmproj, { ...projector, tensors: encoder.tensors }, null);
  return files;
}
