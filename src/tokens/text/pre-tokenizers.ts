import { engineRegExp } from './pattern.ts';
import { forEachStretch } from './stretches.ts';

/** How a BPE vocabulary is applied, by the name in `tokenizer.ggml.pre`. */
export type PreTokenizer = {
  /** The words of a text in order; together they are the text. */
  readonly cut: (text: string, take: (word: string) => void) => void;
  /** A word that is a token as it stands is taken whole, whatever the merges say. */
  readonly wholeWords: boolean;
  readonly addBos: boolean;
  /** The words are spelt with the 256 signs that stand for bytes; else as they are, with `▁` for a space. */
  readonly byteSigns: boolean;
};

const SHORT_FORMS = "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])";
const WORD = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const OTHER_SIGNS = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*';
const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const GPT2 = `'(?:[stmd]|re|ve|ll)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`;
const LLAMA3 = `${SHORT_FORMS}|${WORD}|\\p{N}{1,3}|${OTHER_SIGNS}|${SPACES}`;
const QWEN2 = `${SHORT_FORMS}|${WORD}|\\p{N}|${OTHER_SIGNS}|${SPACES}`;
/** Marks go with letters (Qwen 3.5). */
const QWEN35 =
  `${SHORT_FORMS}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}|` +
  ` ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${SPACES}`;

/** Words end before a capital: llama.cpp tells capitals of ASCII only and counts every other letter as both. */
function capitalised(endings: string, numbers: string, letters = '\\p{L}'): string {
  const [upper, lower] = [`[[${letters}]--[a-z]]`, `[[${letters}]--[A-Z]]`];
  const start = '[^\\r\\n\\p{L}\\p{N}]?';
  const words = [`${upper}*${lower}+`, `${upper}+${lower}*`].map((word) => start + word + endings);
  return `${words.join('|')}|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n\\/]*|${SPACES}`;
}

const GPT4O = capitalised(`(?:${SHORT_FORMS})?`, '\\p{N}{1,3}');
const TEKKEN = capitalised('', '\\p{N}');

const ASCII_PUNCTUATION = '[!-\\/:-@\\[-`\\{-~]';
const DEEPSEEK_WORDS =
  `${ASCII_PUNCTUATION}[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|` +
  ` ?[\\p{P}\\p{S}]+[\\r\\n]*|${SPACES}`;
const DEEPSEEK3 = ['\\p{N}{1,3}', '[一-龥\\u3040-ゟ゠-ヿ]+', DEEPSEEK_WORDS];

const HAN =
  '[\\u3400-\\u4DBF\\u4E00-\\u9FFF\\uF900-\\uFAFF\\u{20000}-\\u{2A6DF}\\u{2A700}-\\u{2EBEF}\\u{2F800}-\\u{2FA1F}]';
const NO_HAN = `[\\p{L}--${HAN}]`;
const KIMI =
  `${HAN}+|[^\\r\\n\\p{L}\\p{N}]?${NO_HAN}+(?:${SHORT_FORMS})?|\\p{N}{1,3}|` +
  `${OTHER_SIGNS}|${SPACES}`;

const YOUTU_ASIAN =
  '[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-\\u303F︰-﹏]+|[ㄅ-ㄯ]+|[一-龥\\u3040-ゟ゠-ヿ]+';
const YOUTU_LETTERS = '[\\p{L}\\p{M}]';
const YOUTU =
  `[^\\r\\n\\p{L}\\p{N}]?${YOUTU_LETTERS}+(?:${SHORT_FORMS})?|\\p{N}|` +
  ` ?[^\\s\\p{L}\\p{N}]+[\\r\\n\\/]*|${SPACES}`;

type Recipe = readonly [names: string, patterns: readonly string[], more?: Partial<PreTokenizer>];

/**
 * `llm_tokenizer_bpe` and the names of `llama_vocab::impl::load` (`llama-vocab.cpp`, b11669). Each pattern
 * cuts what the one before it left: its matches and what lies between them are words.
 */
const RECIPES: readonly Recipe[] = [
  [
    'llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano',
    [LLAMA3],
    { wholeWords: true, addBos: true },
  ],
  ['dbrx smaug-bpe glm4 chatglm-bpe', [LLAMA3]],
  ['qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2', [QWEN2]],
  ['qwen35', [QWEN35]],
  ['gpt-4o llama4 kanana2 talkie minimax-m2', [GPT4O]],
  ['tekken', [TEKKEN], { wholeWords: true, addBos: true }],
  [
    'gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert exaone4 mpt ' +
      'olmo jais trillion granite-docling',
    [GPT2],
  ],
  ['starcoder refact command-r smollm codeshell exaone minerva-7b mellum2', ['\\p{N}', GPT2]],
  ['deepseek-v3 hunyuan-dense joyai-llm hy_v4', DEEPSEEK3],
  ['bailingmoe bailingmoe2 llada-moe', [QWEN2.replace('\\s*[\\r\\n]+|', '\\s*[\\r\\n]|')]],
  ['falcon', ['[\\p{P}$+<=>\\^~\\|`]+', GPT2, '[0-9][0-9][0-9]']],
  ['kimi-k2', [KIMI]],
  ['youtu', [YOUTU_ASIAN, YOUTU], { wholeWords: true }],
  ['minicpm5', ['\\p{N}{1,3}', LLAMA3.replace('{1,3}', '+')], { wholeWords: true }],
  ['seed-coder', [QWEN2.replace(OTHER_SIGNS, ' ?[^\\s\\p{L}\\p{N}\\r\\n]+')]],
  ['gemma4 granite-embed-multi-311m', [], { cut: cutLines, byteSigns: false, addBos: true }],
  ['default', ['[\\p{P}$+<=>\\^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]']],
];

const PLAIN = { wholeWords: false, addBos: false, byteSigns: true };
const compiled = new Map<string, PreTokenizer>();

/** One name of each recipe. */
export const PRE_TOKENIZER_NAMES: readonly string[] = RECIPES.map(
  ([names]) => names.split(' ')[0] ?? names,
);

/** The recipe of that name; null for one that is not followed here. */
export function preTokenizerOf(name: string): PreTokenizer | null {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const recipe = RECIPES.find(([names]) => names.split(' ').includes(name));
  if (recipe === undefined) return null;
  const [, patterns, more] = recipe;
  const expressions = patterns.map(engineRegExp);
  const cut: PreTokenizer['cut'] = (text, take) =>
    forEachStretch(text, (stretch) => forEachWord(stretch, expressions, take));
  const made = { ...PLAIN, cut, ...more };
  compiled.set(name, made);
  return made;
}

/** Runs of line feeds, and what lies between them. */
function cutLines(text: string, take: (word: string) => void): void {
  for (let at = 0; at < text.length;) {
    const lineFeeds = text[at] === '\n';
    let end = lineFeeds ? at : text.indexOf('\n', at);
    if (end < 0) end = text.length;
    while (lineFeeds && text[end] === '\n') end++;
    take(text.slice(at, end));
    at = end;
  }
}

function forEachWord(
  text: string,
  patterns: readonly RegExp[],
  take: (word: string) => void,
): void {
  const [pattern, ...others] = patterns;
  if (pattern === undefined) {
    if (text !== '') take(text);
    return;
  }
  const next = others.length === 0 ? take : (part: string) => forEachWord(part, others, take);
  let done = 0;
  for (const { 0: word, index } of text.matchAll(pattern)) {
    if (index > done) next(text.slice(done, index));
    next(word);
    done = index + word.length;
  }
  if (done < text.length) next(text.slice(done));
}
