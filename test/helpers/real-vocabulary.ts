import { BYTE_SIGNS } from '../../src/tokens/text/byte-signs.ts';
import { ggufBytes, type Value, valueBytes } from './gguf-bytes.ts';

/**
 * OpenAI's published vocabularies, from the ranks that gpt-tokenizer carries: the one set of real-size
 * byte-pair tokens at hand without a network. Their merges are not published but follow from the ranks.
 */
export type RealVocabulary = {
  readonly tokens: readonly string[];
  readonly merges: readonly string[];
};

export async function realVocabulary(name: 'o200k_base' | 'cl100k_base'): Promise<RealVocabulary> {
  const { default: ranks } = (await import(`gpt-tokenizer/bpeRanks/${name}`)) as {
    default: readonly (string | readonly number[] | undefined)[];
  };
  const tokens = ranks.map((token, id) =>
    token === undefined ? `<|unused_${id}|>` : signs(token),
  );
  return { tokens, merges: mergesOf(tokens) };
}

function signs(token: string | readonly number[]): string {
  const bytes = typeof token === 'string' ? Buffer.from(token) : token;
  return Array.from(bytes, (byte) => BYTE_SIGNS[byte]).join('');
}

/** The last of the merges that make a token joins what the tokens of lower rank leave of it. */
function mergesOf(tokens: readonly string[]): string[] {
  const ranks = new Map(tokens.map((token, rank) => [token, rank]));
  return tokens.flatMap((token, rank) => {
    const parts = Array.from(token);
    while (parts.length > 2) {
      let [best, lowest] = [-1, rank];
      for (let at = 0; at + 1 < parts.length; at++) {
        const joined = ranks.get(`${parts[at]}${parts[at + 1]}`) ?? rank;
        if (joined < lowest) [best, lowest] = [at, joined];
      }
      if (best < 0) break;
      parts.splice(best, 2, `${parts[best]}${parts[best + 1]}`);
    }
    return parts.length === 2 ? [parts.join(' ')] : [];
  });
}

/** The same tokens spelt as Gemma 4 has them: as they are, with `▁` for a space; those that are text. */
export function speltOut({ tokens, merges }: RealVocabulary): RealVocabulary {
  const bytes = new Map(BYTE_SIGNS.map((sign, byte) => [sign, byte]));
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const spell = (signsOfToken: string): string | null => {
    try {
      const token = Uint8Array.from(signsOfToken, (sign) => bytes.get(sign) ?? 0);
      return utf8.decode(token).replaceAll(' ', '▁');
    } catch {
      return null;
    }
  };
  // llama.cpp merges no line feeds, runs of them are tokens of their own; it reads a text up to a NUL.
  const words = tokens.map(spell).filter((word) => word !== null && !/[\n\0]/.test(word));
  const lineFeeds = Array.from({ length: 60 }, (_, more) => '\n'.repeat(more + 1));
  const byteTokens = BYTE_SIGNS.map(
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  return {
    tokens: [...new Set([...words, ...lineFeeds, ...byteTokens])].filter((word) => word !== null),
    merges: merges.flatMap((merge) => {
      const parts = merge.split(' ').map(spell);
      return parts.some((part) => part === null || /[\n\0]/.test(part)) ? [] : [parts.join(' ')];
    }),
  };
}

const CONTROL = 3;
const USER_DEFINED = 4;
const NORMAL = 1;

export type SpecialText = readonly [text: string, kind: 'control' | 'user-defined' | 'normal'];
const KINDS = { control: CONTROL, 'user-defined': USER_DEFINED, normal: NORMAL };

/**
 * Files with nothing but a byte-pair vocabulary in them, one for each way of cutting text: enough for
 * llama-tokenize. What they have in common, 400,000 texts, is encoded once.
 */
export function vocabularyFiles(
  { tokens, merges }: RealVocabulary,
  special: readonly SpecialText[],
  model: 'gpt2' | 'gemma4' = 'gpt2',
): (pre: string) => Buffer {
  const list = (of: 'str' | 'i32', v: readonly (string | number)[]): Value => ({
    t: 'raw',
    v: valueBytes({ t: 'arr', of, v }),
  });
  const count = (v: number): Value => ({ t: 'u32', v });
  const kinds = [...tokens.map(() => NORMAL), ...special.map(([, kind]) => KINDS[kind])];
  const lists: [string, Value][] = [
    ['tokenizer.ggml.tokens', list('str', [...tokens, ...special.map(([text]) => text)])],
    ['tokenizer.ggml.token_type', list('i32', kinds)],
    ['tokenizer.ggml.merges', list('str', merges)],
  ];
  return (pre) =>
    ggufBytes({
      keys: [
        ['general.architecture', { t: 'str', v: 'llama' }],
        ['llama.context_length', count(32768)],
        ['llama.embedding_length', count(64)],
        ['llama.block_count', count(1)],
        ['llama.feed_forward_length', count(64)],
        ['llama.attention.head_count', count(1)],
        ['llama.attention.layer_norm_rms_epsilon', { t: 'f32', v: 1e-5 }],
        ['tokenizer.ggml.model', { t: 'str', v: model }],
        ['tokenizer.ggml.pre', { t: 'str', v: pre }],
        ...lists,
      ],
    });
}
