import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { parseGguf } from '../../../src/gguf/parse.ts';
import { type Tokeniser, vocabularyOf } from '../../../src/tokens/text/vocabulary.ts';
import { ggufBytes, type Value } from '../../helpers/gguf-bytes.ts';
import { llamaTokenize, type RunningLlama, startLlama } from '../../helpers/llama.ts';
import { mergeModel, mergeTokenizer } from '../../helpers/merge-model.ts';

function metadataOf(bytes: Buffer) {
  return parseGguf({
    name: 'vocabulary.gguf',
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  }).metadata;
}

function spm(bytes: Buffer): Tokeniser {
  const vocab = vocabularyOf(metadataOf(bytes));
  if (vocab.kind !== 'vocabulary') throw new Error(vocab.kind);
  return vocab;
}

type TokeniseOptions = { readonly addSpecial: boolean; readonly parseSpecial: boolean };

/** A text between the tokens that the vocabulary puts at the edges of a prompt. */
function tokenise(text: string, vocab: Tokeniser, options: TokeniseOptions): number[] {
  const edge = (add: boolean, token: { id: number } | null) =>
    options.addSpecial && add && token !== null ? [token.id] : [];
  return [
    ...edge(vocab.addBos, vocab.bos),
    ...vocab.tokenise(text, options),
    ...edge(vocab.addEos, vocab.eos),
  ];
}

const MODES: TokeniseOptions[] = [
  { addSpecial: true, parseSpecial: true },
  { addSpecial: true, parseSpecial: false },
  { addSpecial: false, parseSpecial: true },
  { addSpecial: false, parseSpecial: false },
];

const TEXTS = [
  '',
  ' ',
  'the',
  'What is in this image?',
  'Describe the image, then the other thing.',
  '  leading and   multiple    spaces  ',
  'tabs\tand\nnewlines\n\n\r\nat the end\n',
  'café Café cafe\u0301 naïve Łódź ß',
  '中文字の中 文',
  '🦙🦙 👩‍👩‍👧 🇵🇱 llama',
  'a\u0000b',
  '<|endoftext|>  x <|im_start|>  \n y </s>  z <unk>  <s> ',
  '<s>literal</s> <unk> <0x41> <|im_start|>user\nhi<|im_end|>\n<|im_end|>',
  'in<custom>side <custom and ZZtop ZZZ',
  '▁the▁ ▁',
  'thethethe ingthe nthint thereofthe',
  `${'the other thing and '.repeat(200)}end`,
];

describe('SPM by hand', () => {
  // Scores decide: `ab` (-1) before `bc` (-2), and `▁a` is never made.
  const keys = (more: [string, Value][]): [string, Value][] => [
    ['tokenizer.ggml.model', { t: 'str', v: 'llama' }],
    [
      'tokenizer.ggml.tokens',
      {
        t: 'arr',
        of: 'str',
        v: ['<unk>', '<s>', '</s>', '▁', 'a', 'b', 'c', 'ab', 'bc', '<0xC3>'],
      },
    ],
    ...more,
  ];
  const scores = (...v: number[]): [string, Value] => [
    'tokenizer.ggml.scores',
    { t: 'arr', of: 'f32', v },
  ];
  const literal = { addSpecial: false, parseSpecial: false };

  it('merges the pair of the higher score first', () => {
    const high = spm(ggufBytes({ keys: keys([scores(0, 0, 0, 0, 0, 0, 0, -1, -2, 0)]) }));
    expect(tokenise('abc', high, literal)).toEqual([3, 7, 6]);
    const low = spm(ggufBytes({ keys: keys([scores(0, 0, 0, 0, 0, 0, 0, -2, -1, 0)]) }));
    expect(tokenise('abc', low, literal)).toEqual([3, 4, 8]);
    const equal = spm(ggufBytes({ keys: keys([]) }));
    expect(tokenise('abc', equal, literal)).toEqual([3, 7, 6]);
  });

  it('says which byte the vocabulary cannot write', () => {
    const vocab = spm(ggufBytes({ keys: keys([]) }));
    expect(() => tokenise('é', vocab, literal)).toThrow(/<0xA9>/);
    expect(() => tokenise('z', vocab, literal)).toThrow(/<0x7A>/);
  });

  it('never counts more tokens than bytes and the leading space', () => {
    const vocab = spm(mergeModel());
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const count = vocab.count(text, literal);
        expect(count).toBeLessThanOrEqual(new TextEncoder().encode(text).length + 1);
        expect(count > 0).toBe(text !== '');
      }),
      { seed: 7 },
    );
  });
});

describe('a vocabulary', () => {
  it.each([
    ['bert', undefined, 'bert'],
    ['t5', undefined, 't5'],
    ['gpt2', 'superbpe', 'gpt2 (superbpe)'],
  ])('of %s cut as %s is left to the engine', (model, pre, name) => {
    const keys: [string, Value][] = [['tokenizer.ggml.model', { t: 'str', v: model }]];
    if (pre !== undefined) keys.push(['tokenizer.ggml.pre', { t: 'str', v: pre }]);
    expect(vocabularyOf(metadataOf(ggufBytes({ keys })))).toEqual({
      kind: 'unsupported-tokenizer',
      model: name,
    });
  });

  it('that is not there is left to the engine', () => {
    expect(vocabularyOf(metadataOf(ggufBytes({})))).toEqual({
      kind: 'unsupported-tokenizer',
      model: 'none',
    });
  });

  it('without tokens, or with too few scores or types, is refused', () => {
    const model = ['tokenizer.ggml.model', { t: 'str', v: 'llama' }] as [string, Value];
    const list = (key: string, of: 'str' | 'f32' | 'i32', v: (string | number)[]) =>
      [`tokenizer.ggml.${key}`, { t: 'arr', of, v }] as [string, Value];
    const tokens = list('tokens', 'str', ['<unk>', '<s>', '</s>']);
    const read =
      (...keys: [string, Value][]) =>
      () =>
        vocabularyOf(metadataOf(ggufBytes({ keys })));
    expect(read(model)).toThrow(/tokens is missing/);
    expect(read(model, tokens, list('scores', 'f32', [1, 2]))).toThrow(
      /scores has 2 entries for 3/,
    );
    expect(read(model, tokens, list('token_type', 'i32', []))).toThrow(/token_type has 0 entries/);
    expect(read(model, tokens)()).toMatchObject({
      kind: 'vocabulary',
      bos: { id: 1, text: '<s>' },
    });
  });

  it('takes the defaults of llama.cpp for an id beyond its end', () => {
    const { keys = [] } = mergeTokenizer();
    const bytes = ggufBytes({
      keys: [...keys, ['tokenizer.ggml.bos_token_id', { t: 'u32', v: 99_999 }]],
    });
    expect(spm(bytes).bos).toEqual({ id: 1, text: '<s>' });
  });
});

const server = inject('llamaServer');

describe.skipIf(server === null)('against the real llama.cpp', () => {
  const engine = server ?? '';
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mmdeploy-spm-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  describe.each([
    ['plain', {}, 'merges'],
    ['without a leading space', { add_space_prefix: false }, 'merges'],
    ['with an end token only', { add_bos_token: false, add_eos_token: true }, 'merges'],
    ['of Phi-3', {}, 'Phi-3 vision'],
  ])('%s', (label, flags, name) => {
    let llama: RunningLlama | null = null;
    let vocab: Tokeniser | null = null;
    beforeAll(async () => {
      const bytes = mergeModel(flags, null, name);
      const path = join(folder, `${label.replaceAll(' ', '-')}.gguf`);
      writeFileSync(path, bytes);
      vocab = spm(bytes);
      llama = await startLlama(engine, ['-m', path, '-c', '512', '-np', '1']);
    });
    afterAll(() => llama?.stop());

    async function compare(text: string, options: TokeniseOptions): Promise<void> {
      const { tokens } = (await llama!.post('/tokenize', {
        content: text,
        add_special: options.addSpecial,
        parse_special: options.parseSpecial,
      })) as { tokens: number[] };
      expect(tokenise(text, vocab!, options), JSON.stringify({ text, options })).toEqual(tokens);
    }

    it.each(TEXTS.map((text) => [text.slice(0, 40), text]))('%j', async (_, text) => {
      for (const options of MODES) await compare(text, options);
    });

    it('texts made of pieces at random', async () => {
      const piece = fc.constantFrom(
        ...mergeTokenizer()
          .tokens.map(([text]) => text.replaceAll('▁', ' '))
          .filter((text) => text !== '' && !text.startsWith('<0x')),
      );
      const text = fc.array(
        fc.oneof({ weight: 6, arbitrary: piece }, fc.string({ unit: 'grapheme' })),
        {
          maxLength: 30,
        },
      );
      await fc.assert(
        fc.asyncProperty(text, fc.constantFrom(...MODES), (parts, options) =>
          compare(parts.join(''), options),
        ),
        { numRuns: 300, seed: 11669 },
      );
    });
  });

  it('gives what llama-tokenize prints', async () => {
    const bytes = mergeModel();
    const path = join(folder, 'tokenize.gguf');
    writeFileSync(path, bytes);
    const vocab = spm(bytes);
    for (const text of [
      'What is in this image?',
      ' café 中文 🦙\n',
      'in<custom>side </s><|im_end|>',
    ]) {
      for (const options of MODES) {
        const ids = await llamaTokenize(engine, path, text, options);
        expect(tokenise(text, vocab, options), text).toEqual(ids);
      }
    }
  });
});
