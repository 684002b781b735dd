import type { TensorBytes, Value } from './gguf-bytes.ts';
import { ggufBytes } from './gguf-bytes.ts';

const KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4 };

type Token = readonly [text: string, score: number, kind: number];

const WORDS =
  'the image what is in this of and to a describe user assistant café naïve łódź 中文 字の中 🦙 camel case ' +
  'don 1 12 345 0x1f json array three'.replaceAll('  ', ' ');
const PARTS = 'ing tion ed er ly es s age im ma ibe scr 文 の é ï ł ² ﬁ'.split(' ');
const SIGNS = Array.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789.,!?:;-_()[]{}<>|/\\"\'');

/** Pieces with scores, of which the engine takes the best path through a text (T5's kind). */
function unigram(): readonly Token[] {
  const scored = (text: string, at: number): Token => [
    text,
    -2 - ((at * 37) % 83) / 8,
    KIND.normal,
  ];
  const pieces = [...WORDS.split(' ').map((word) => `▁${word}`), '▁', '▁▁', ...PARTS, ...SIGNS];
  return [
    ['<pad>', 0, KIND.control],
    ['</s>', 0, KIND.control],
    ['<unk>', 0, KIND.unknown],
    ...[...new Set(pieces)].map(scored),
    ['<extra_id_0>', 0, KIND.control],
    ['<extra_id_10>', 0, KIND.control],
    ['<custom>', 0, KIND.userDefined],
  ];
}

/** Whole words and their ends (BERT's kind, as conversion spells them): the longest that fits goes first. */
function wordPieces(): readonly Token[] {
  const words = WORDS.split(' ').map((word) => `▁${word}`);
  const starts = SIGNS.map((sign) => `▁${sign}`);
  const pieces = [...new Set([...words, ...starts, ...PARTS, ...SIGNS])];
  return [
    ['[PAD]', 0, KIND.control],
    ['[UNK]', 0, KIND.unknown],
    ['[CLS]', 0, KIND.control],
    ['[SEP]', 0, KIND.control],
    ['[MASK]', 0, KIND.control],
    ...pieces.map((text): Token => [text, 0, KIND.normal]),
    ['<custom>', 0, KIND.userDefined],
  ];
}

/** A model of zeros that the engine loads, with a vocabulary of a kind that is not followed here. */
export function rareModel(kind: 't5' | 'bert', template: string | null = null): Buffer {
  const tokens = kind === 't5' ? unigram() : wordPieces();
  const list = (of: 'str' | 'f32' | 'i32', v: readonly (string | number)[]): Value => ({
    ...{ t: 'arr', of, v },
  });
  const count = (v: number): Value => ({ t: 'u32', v });
  const matrix = (name: string): TensorBytes => ({ name, dims: [64, 64] });
  return ggufBytes({
    keys: [
      ['general.architecture', { t: 'str', v: 'llama' }],
      ['llama.context_length', count(32768)],
      ['llama.embedding_length', count(64)],
      ['llama.block_count', count(1)],
      ['llama.feed_forward_length', count(64)],
      ['llama.attention.head_count', count(1)],
      ['llama.attention.layer_norm_rms_epsilon', { t: 'f32', v: 1e-5 }],
      ['tokenizer.ggml.model', { t: 'str', v: kind }],
      [
        'tokenizer.ggml.tokens',
        list(
          'str',
          tokens.map(([text]) => text),
        ),
      ],
      [
        'tokenizer.ggml.scores',
        list(
          'f32',
          tokens.map(([, score]) => score),
        ),
      ],
      [
        'tokenizer.ggml.token_type',
        list(
          'i32',
          tokens.map(([, , each]) => each),
        ),
      ],
      ...(kind === 't5'
        ? ([
            ['tokenizer.ggml.add_space_prefix', { t: 'bool', v: true }],
            ['tokenizer.ggml.remove_extra_whitespaces', { t: 'bool', v: true }],
          ] as [string, Value][])
        : ([
            ['tokenizer.ggml.bos_token_id', count(2)],
            ['tokenizer.ggml.seperator_token_id', count(3)],
            ['tokenizer.ggml.unknown_token_id', count(1)],
            ['tokenizer.ggml.padding_token_id', count(0)],
            ['tokenizer.ggml.mask_token_id', count(4)],
          ] as [string, Value][])),
      ...(template === null
        ? []
        : ([['tokenizer.chat_template', { t: 'str', v: template }]] as [string, Value][])),
    ],
    tensors: [
      { name: 'token_embd.weight', dims: [64, tokens.length] },
      { name: 'output_norm.weight', dims: [64] },
      { name: 'blk.0.attn_norm.weight', dims: [64] },
      { name: 'blk.0.ffn_norm.weight', dims: [64] },
      ...['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'].map(
        (part) => matrix(`blk.0.${part}.weight`),
      ),
    ],
  });
}
