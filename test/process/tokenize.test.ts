import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import { type Tokeniser, vocabularyOf } from '../../src/tokens/text/vocabulary.ts';
import { PRE_TOKENIZER_NAMES } from '../../src/tokens/text/pre-tokenizers.ts';
import { llamaTokenize } from '../helpers/llama.ts';
import { randomTexts } from '../helpers/random-texts.ts';
import {
  type RealVocabulary,
  realVocabulary,
  type SpecialText,
  speltOut,
  vocabularyFiles,
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
  let fileOf: ReturnType<typeof vocabularyFiles>;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mmdeploy-tokenize-'));
    real = await realVocabulary('o200k_base');
    spelt = speltOut(real);
    fileOf = vocabularyFiles(real, SPECIAL);
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** The vocabulary cut by `pre`, as the engine and as we read it. */
  function written(pre: string): { readonly path: string; readonly vocabulary: Tokeniser } {
    const path = join(folder, `${pre}.gguf`);
    const bytes = pre === 'gemma4' ? vocabularyFiles(spelt, SPECIAL, pre)(pre) : fileOf(pre);
    writeFileSync(path, bytes);
    const vocabulary = vocabularyOf(readGgufHeader(path).metadata);
    if (vocabulary.kind !== 'vocabulary') throw new Error(vocabulary.model);
    return { path, vocabulary };
  }

  it.each(PRE_TOKENIZER_NAMES)('gives the same tokens, cut as %s', async (pre) => {
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
