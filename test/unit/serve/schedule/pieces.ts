import type { PrefixPiece } from '../../../../src/serve/seams.ts';

/** A prompt in short: capitals are images of 576 tokens, other words are texts of 10. */
export function prompt(text: string): readonly PrefixPiece[] {
  const words = text.split(' ').filter((word) => word !== '');
  return words.map((word, index) => ({
    digest: words.slice(0, index + 1).join(' '),
    kind: /^[A-Z]/.test(word) ? 'media' : 'words',
    tokens: /^[A-Z]/.test(word) ? 576 : 10,
  }));
}
