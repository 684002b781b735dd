import { describe, expect, it } from 'vitest';
import { countTexts } from '../../../src/estimate/llama-tokenize.ts';
import type { RunCommand, RunResult } from '../../../src/process/run.ts';
import { askedVocabulary } from '../../../src/tokens/text/ahead.ts';
import { separatorsOf } from '../../../src/tokens/text/separators.ts';

const CONTROL = 3;
const lists = (texts: readonly string[], modelName = '') => ({
  ...{ tokens: texts, types: texts.map(() => CONTROL), modelName },
});
const parting = (...texts: string[]) => separatorsOf(lists(texts)).map(({ text }) => text);

describe('what may part texts', () => {
  it('is no token that another one could eat into, or that strips white space', () => {
    expect(parting('<a>', '<<a>>')).toEqual(['<<a>>']);
    expect(parting('<b>', '>x<b')).toEqual(['>x<b']);
    expect(parting('abab', '[x]')).toEqual(['[x]']);
    expect(parting('<mask>', '[MASK]', '<end>\n', '\uFFFDz')).toEqual([]);
    expect(separatorsOf(lists(['<x>'], 'Phi-3-vision'))).toEqual([]);
  });
});

/** A tokenizer of single characters, `|` being token 0; `changes` are its bad habits. */
function tool(changes: Partial<RunResult> = {}, inputs: string[] = []) {
  const run: RunCommand = (_file, _args, { input = '' }) => {
    inputs.push(input);
    const ids = Array.from(input, (sign) => (sign === '|' ? 0 : sign.charCodeAt(0)));
    const stdout = `[${ids.join(', ')}]\n`;
    return Promise.resolve({ code: 0, stdout, stderr: '', outcome: 'exited', ...changes });
  };
  const separators = [{ id: 0, text: '|', onlyParsed: true, stripsRight: false }];
  const signal = new AbortController().signal;
  return { ...{ path: 'llama-tokenize', model: 'm.gguf', separators, run, signal }, env: {} };
}

describe('texts that are counted together', () => {
  it('are one process, but for those that hold what parts them', async () => {
    const inputs: string[] = [];
    expect(await countTexts(tool({}, inputs), ['abc', 'a|', 'de'])).toEqual([3, 2, 2]);
    expect(inputs).toEqual(['abc|de', 'a|']);
  });

  it('are counted one by one where the engine cuts otherwise than is thought', async () => {
    const inputs: string[] = [];
    const odd = tool({ stdout: '[7, 8]' }, inputs);
    expect(await countTexts(odd, ['abc', 'de'])).toEqual([2, 2]);
    expect(inputs).toEqual(['abc|de', 'abc', 'de']);
  });

  it.each<[string, Partial<RunResult>]>([
    ['exit code 1', { code: 1, stderr: 'no such file' }],
    ['timeout', { code: null, outcome: 'timeout' }],
    ['exit code 0', { stdout: '[1, 2' }],
  ])('are never guessed: %s', async (why, changes) => {
    await expect(countTexts(tool(changes), ['abc'])).rejects.toThrow(why);
  });
});

describe('a vocabulary that is asked ahead', () => {
  it('knows what was rehearsed last and what is kept, and counts nothing unasked', async () => {
    const asked: (readonly string[])[] = [];
    const { count, ahead } = askedVocabulary(
      { bos: null, eos: null, addBos: false, addEos: false, source: 'x' },
      (texts) => {
        asked.push(texts);
        return Promise.resolve(texts.map(({ length }) => length));
      },
    );
    const options = { parseSpecial: true };
    ahead?.rehearsal.count('<mark>', options);
    await ahead?.settle({ keep: true });
    for (const text of ['abc', 'de', 'abc', '', '<mark>']) ahead?.rehearsal.count(text, options);
    await ahead?.settle();
    expect(count('abc', options) + count('', options)).toBe(3);
    ahead?.rehearsal.count('de', options);
    await ahead?.settle();
    expect(asked).toEqual([['<mark>'], ['abc', 'de']]);
    expect([count('de', options), count('<mark>', options)]).toEqual([2, 6]);
    expect(() => count('abc', options)).toThrow('not asked about');
  });
});
