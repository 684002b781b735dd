import { BYTE_SIGNS } from '../../src/tokens/text/byte-signs.ts';
import { type GgufBytes, ggufBytes, type TensorBytes, type Value } from './gguf-bytes.ts';

/**
 * A language model of zeros that a real llama-server loads, with a vocabulary in which merges matter:
 * pieces that compete, equal scores, user-defined tokens inside words, characters of two to four bytes.
 */
export type Tokenizer = {
  tokens: [text: string, score: number, type: number][];
  keys: GgufBytes['keys'];
};

const TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };

const PIECES =
  `▁ e t a o i n s r h l d u c m f g w y p b v k x q j z T I W . , ! ? ' - 0 1 2 3 \u00e9 \u00e8 ß ł 中 文 字 の 🦙 é
th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de hi ri ro ic ne ea ra ce
the ing and ion ent her tha nth int ere tio ter est ers ati hat ate all eth hes ver his ith oft fth sth oth res ont
▁t ▁a ▁th ▁the ▁i ▁in ▁an ▁and ▁im ▁ima ▁imag ▁image ▁w ▁wh ▁wha ▁what ▁is ▁this ▁de ▁desc ▁describe ▁▁ ▁▁▁▁ ▁▁▁▁▁▁▁▁ .▁ ,▁the
age im ima mag image magi gen era tion ation describe scri ribe what hat user assistant ser istant ass assist
中文 文字 の中 ▁中 ▁🦙 🦙🦙 éé ▁é :▁ ▁caf caf café fé \u0065\u0301`
    .split(/[ \n]+/)
    .filter((piece, index, all) => all.indexOf(piece) === index);

/** A score that looks random but is the same in every run; few values, so that many are equal. */
function scoreOf(piece: string): number {
  let hash = 2166136261;
  for (const character of piece) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619);
  return -((hash >>> 8) % 37) / 4;
}

export function mergeTokenizer(flags: Record<string, boolean> = {}): Tokenizer {
  const tokens: Tokenizer['tokens'] = [
    ['<unk>', 0, TYPE.unknown],
    ['<s>', 0, TYPE.control],
    ['</s>', 0, TYPE.control],
    ...Array.from({ length: 256 }, (_, byte): [string, number, number] => [
      `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
      0,
      TYPE.byte,
    ]),
    ...PIECES.map((piece): [string, number, number] => [piece, scoreOf(piece), TYPE.normal]),
    ['<|im_start|>', 0, TYPE.control],
    ['<|endoftext|>', 0, TYPE.control],
    // llama.cpp makes it a control token because of its text.
    ['<|im_end|>', 0, TYPE.normal],
    ['<|im_end|>\n', 0, TYPE.control],
    ['<custom>', 0, TYPE.userDefined],
    ['<custom', 0, TYPE.userDefined],
    ['ZZ', 0, TYPE.userDefined],
    ['<unused0>', 0, TYPE.unused],
    ['', 0, TYPE.unused],
  ];
  const list = (of: 'str' | 'f32' | 'i32', v: (string | number)[]): Value => ({ t: 'arr', of, v });
  return {
    tokens,
    keys: [
      ['tokenizer.ggml.model', { t: 'str', v: 'llama' }],
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
          tokens.map(([, , type]) => type),
        ),
      ],
      ...Object.entries(flags).map(
        ([key, v]) => [`tokenizer.ggml.${key}`, { t: 'bool', v }] as [string, Value],
      ),
    ],
  };
}

const WIDTH = 64;

const BYTE_PAIR_SPECIAL =
  '<|begin_of_text|> <|eot_id|> <|start_header_id|> <|end_header_id|> <|im_start|> <|im_end|> ' +
  '<start_of_turn> <end_of_turn> [INST] [/INST] <|endoftext|>';

/** A byte-pair vocabulary of the same pieces, each made by merges from the left. */
function bytePairTokenizer(pre: string): Tokenizer {
  const words = PIECES.map((piece) => signsOf(piece.replaceAll('▁', ' ')));
  const tokens = new Set(BYTE_SIGNS);
  const merges = new Set<string>();
  for (const word of words) {
    for (let end = 2; end <= word.length; end++) {
      tokens.add(word.slice(0, end));
      merges.add(`${word.slice(0, end - 1)} ${word.slice(end - 1, end)}`);
    }
  }
  const special = BYTE_PAIR_SPECIAL.split(' ');
  const all: Tokenizer['tokens'] = [
    ...[...tokens].map((text): [string, number, number] => [text, 0, TYPE.normal]),
    ...special.map((text): [string, number, number] => [text, 0, TYPE.control]),
    ['<custom>', 0, TYPE.userDefined],
  ];
  const list = (of: 'str' | 'i32', v: (string | number)[]): Value => ({ t: 'arr', of, v });
  const idOf = (text: string): Value => ({ t: 'u32', v: all.findIndex(([each]) => each === text) });
  return {
    tokens: all,
    keys: [
      ['tokenizer.ggml.model', { t: 'str', v: 'gpt2' }],
      ['tokenizer.ggml.pre', { t: 'str', v: pre }],
      [
        'tokenizer.ggml.tokens',
        list(
          'str',
          all.map(([text]) => text),
        ),
      ],
      [
        'tokenizer.ggml.token_type',
        list(
          'i32',
          all.map(([, , type]) => type),
        ),
      ],
      ['tokenizer.ggml.merges', list('str', [...merges])],
      ['tokenizer.ggml.bos_token_id', idOf('<|begin_of_text|>')],
      ['tokenizer.ggml.eos_token_id', idOf('<|eot_id|>')],
    ],
  };
}

function signsOf(text: string): string {
  return Array.from(Buffer.from(text), (byte) => BYTE_SIGNS[byte]).join('');
}

/** Bytes of a whole model with a byte-pair vocabulary. */
export function bytePairModel(pre: string, template: string | null): Buffer {
  return modelBytes(bytePairTokenizer(pre), template, 'merges');
}

/** Bytes of a whole model; `template` is null for a file without `tokenizer.chat_template`. */
export function mergeModel(
  flags: Record<string, boolean> = {},
  template: string | null = null,
  name = 'merges',
): Buffer {
  return modelBytes(mergeTokenizer(flags), template, name);
}

function modelBytes({ tokens, keys }: Tokenizer, template: string | null, name: string): Buffer {
  const count = (v: number): Value => ({ t: 'u32', v });
  const matrix = (tensor: string): TensorBytes => ({ name: tensor, dims: [WIDTH, WIDTH] });
  return ggufBytes({
    keys: [
      ['general.architecture', { t: 'str', v: 'llama' }],
      ['general.name', { t: 'str', v: name }],
      ['llama.context_length', count(32768)],
      ['llama.embedding_length', count(WIDTH)],
      ['llama.block_count', count(1)],
      ['llama.feed_forward_length', count(WIDTH)],
      ['llama.attention.head_count', count(1)],
      ['llama.attention.layer_norm_rms_epsilon', { t: 'f32', v: 1e-5 }],
      ...(keys ?? []),
      ...(template === null
        ? []
        : [['tokenizer.chat_template', { t: 'str', v: template }] as [string, Value]]),
    ],
    tensors: [
      { name: 'token_embd.weight', dims: [WIDTH, tokens.length] },
      { name: 'output_norm.weight', dims: [WIDTH] },
      { name: 'blk.0.attn_norm.weight', dims: [WIDTH] },
      { name: 'blk.0.ffn_norm.weight', dims: [WIDTH] },
      ...['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'].map(
        (part) => matrix(`blk.0.${part}.weight`),
      ),
    ],
  });
}
