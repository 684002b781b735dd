import { describe, expect, it } from 'vitest';
import { PRE_TOKENIZER_NAMES, preTokenizerOf } from '../../../src/tokens/text/pre-tokenizers.ts';
import { forEachStretch, MOST_LENGTH } from '../../../src/tokens/text/stretches.ts';
import { randomTexts } from '../../helpers/random-texts.ts';

function stretchesOf(text: string, most: number): string[] {
  const stretches: string[] = [];
  forEachStretch(text, (stretch) => stretches.push(stretch), most);
  return stretches;
}

function wordsOf(name: string, texts: readonly string[]): string[] {
  const words: string[] = [];
  for (const text of texts) preTokenizerOf(name)?.cut(text, (word) => words.push(word));
  return words;
}

describe('stretches of a long text', () => {
  const texts = randomTexts(400).map((text) => text.replace(/\p{Surrogate}/gu, ''));

  // Gemma 4 cuts at line feeds only: its long lines are cut at seams instead.
  it.each(PRE_TOKENIZER_NAMES.filter((name) => name !== 'gemma4'))(
    'are cut into the same words as the whole, as %s',
    (name) => {
      let compared = 0;
      for (const text of texts) {
        const stretches = stretchesOf(text, 32);
        expect(stretches.join('')).toBe(text);
        // Where nothing ended a word in time, the stretch was ended all the same.
        if (stretches.some(({ length }) => length >= 32)) continue;
        expect(wordsOf(name, stretches), JSON.stringify(text)).toEqual(wordsOf(name, [text]));
        compared += stretches.length - 1;
      }
      expect(compared).toBeGreaterThan(100);
    },
  );

  it('are of bounded length where no word ends', () => {
    const text = '🦙'.repeat(MOST_LENGTH);
    const stretches = stretchesOf(text, MOST_LENGTH);
    expect(stretches.join('')).toBe(text);
    for (const stretch of stretches) {
      expect(stretch.length).toBeLessThanOrEqual(MOST_LENGTH + 1);
      expect(/\p{Surrogate}/u.test(stretch)).toBe(false);
    }
  });
});
