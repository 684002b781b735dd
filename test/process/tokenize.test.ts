import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import { type Vocabulary, vocabularyOf } from '../../src/tokens/text/vocabulary.ts';
import { llamaTokenize } from '../helpers/llama.ts';
import {
  type RealVocabulary,
  realVocabulary,
  type SpecialText,
  speltOut,
  vocabularyFile,
} from '../helpers/real-vocabulary.ts';

const server = inject('llamaServer');
const SEPARATOR = '<|separator|>';
const SPECIAL: readonly SpecialText[] = [
  [SEPARATOR, 'control'],
  ['<|im_start|>', 'control'],
  // llama.cpp makes them control tokens, or ones that are always found, because of their texts.
  ['<|im_end|>', 'normal'],
  ['<|channel|>', 'control'],
  ['<custom>', 'user-defined'],
];

/** One name for each way to cut. */
const PRE_TOKENIZERS = [
  ...['llama-bpe', 'dbrx', 'qwen2', 'qwen35', 'gpt-4o', 'tekken', 'gpt-2', 'smollm', 'deepseek-v3'],
  ...['kimi-k2', 'youtu', 'minicpm5', 'seed-coder', 'default', 'gemma4'],
];

const WORDS = [
  ...[
    'the',
    'The',
    'THE',
    'image',
    'What’s',
    "don't",
    "DON'T",
    "we'Ll",
    "'re",
    'naïve',
    'Łódź',
    'ſ',
  ],
  ...[
    'HTTPServer',
    'camelCaseWord',
    'snake_case',
    'ﬁne',
    'ǅ',
    'İstanbul',
    'ß',
    'ʰ',
    'ª',
    'e\u0301',
  ],
  ...[
    '中文',
    '字の中',
    'ひらがな',
    'カタカナー',
    '한국어',
    'ㄱㅏ',
    'العربية',
    'हिन्दी',
    'ไทย',
    'עברית',
    '㐀',
    '𠀀',
    '豈',
  ],
  ...['0', '12', '345', '6789', '1234567', '١٢٣', 'Ⅷ', '½', '²', '3.14', '1,000,000', '0x1F'],
  ...[
    '!',
    '?!',
    '...',
    '…',
    '—',
    '“',
    '”',
    '//',
    '/*',
    '*/',
    '::',
    '->',
    '=>',
    '$x',
    '+=',
    '~',
    '`',
    '|',
    '^',
  ],
  ...[
    '\\',
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    '<',
    '>',
    '#',
    '@',
    '&&',
    '、',
    '。',
    '！',
    '：',
    '¿',
    '€',
    '£',
    '©',
  ],
  ...[
    '🦙',
    '👩‍👩‍👧',
    '🇵🇱',
    '👍🏽',
    '\u200b',
    '\ufeff',
    '\u00ad',
    '\ufffd',
    '\ue000',
    '\u0378',
    '\u{1FA89}',
    '\u{10D4A}',
  ],
  ...[
    '\u0000',
    '\u0007',
    '\u001c',
    '\u007f',
    '\u0085',
    '\u00a0',
    '\u2003',
    '\u2028',
    '\u3000',
    '\u180e',
  ],
  ...['<custom>', '<|im_start|>', '<|im_end|>', '<|channel|>', '<|im_', 'Ġ', '▁', '▁▁'],
];
const SPACES = [
  '',
  '',
  ' ',
  ' ',
  '  ',
  '    ',
  '\t',
  '\n',
  '\n\n',
  '\r\n',
  ' \n ',
  '\n  \n',
  '\t\t',
  '\v',
];

function randomTexts(count: number): string[] {
  const piece = fc.oneof(
    { weight: 8, arbitrary: fc.tuple(fc.constantFrom(...WORDS), fc.constantFrom(...SPACES)) },
    { weight: 1, arbitrary: fc.tuple(fc.string({ unit: 'binary', maxLength: 4 })) },
  );
  const text = fc.array(piece, { minLength: 1, maxLength: 12 });
  return fc
    .sample(text, { seed: 200_000, numRuns: count })
    .map((parts) => parts.flat().join(''))
    .filter((each) => each !== '' && !each.includes('\ud800'));
}

const TEXTS = [
  'What is in this image?',
  'if (a[0] != b->c) {\n\t\treturn "x\\n";  // done\n}\r\n\r\n',
  'a' + ' '.repeat(300) + 'b' + '\n'.repeat(40) + ' \t'.repeat(30) + 'end   ',
  'x'.repeat(500) + 'Y'.repeat(300) + '7'.repeat(100) + '='.repeat(200),
  ...randomTexts(1000),
];

describe.skipIf(server === null)('a real vocabulary of 200,000 tokens in llama-tokenize', () => {
  const engine = server ?? '';
  let folder = '';
  let real: RealVocabulary = { tokens: [], merges: [] };
  let spelt = real;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mmdeploy-tokenize-'));
    real = await realVocabulary('o200k_base');
    spelt = speltOut(real);
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** The vocabulary cut by `pre`, as the engine and as we read it. */
  function written(pre: string): { readonly path: string; readonly vocabulary: Vocabulary } {
    const path = join(folder, `${pre}.gguf`);
    const model = pre === 'gemma4' ? pre : 'gpt2';
    writeFileSync(path, vocabularyFile(pre === 'gemma4' ? spelt : real, pre, SPECIAL, model));
    const vocabulary = vocabularyOf(readGgufHeader(path).metadata);
    if (vocabulary.kind !== 'vocabulary') throw new Error(vocabulary.model);
    return { path, vocabulary };
  }

  it.each(PRE_TOKENIZERS)('gives the same tokens, cut as %s', async (pre) => {
    const { path, vocabulary } = written(pre);
    const separator = (pre === 'gemma4' ? spelt : real).tokens.length;
    const joined = TEXTS.join(SEPARATOR);
    const options = { addSpecial: false, parseSpecial: true };
    const ids = await llamaTokenize(engine, path, joined, options);
    const theirs: number[][] = [[]];
    for (const id of ids) {
      if (id === separator) theirs.push([]);
      else theirs.at(-1)?.push(id);
    }
    expect(theirs).toHaveLength(TEXTS.length);
    for (const [index, text] of TEXTS.entries()) {
      expect(vocabulary.tokenise(text, options), JSON.stringify(text)).toEqual(theirs[index]);
      expect(vocabulary.count(text, options)).toBe(theirs[index]?.length);
    }
  });
});
