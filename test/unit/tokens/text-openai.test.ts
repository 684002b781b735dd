import * as cl100k_base from 'gpt-tokenizer/encoding/cl100k_base';
import * as o200k_base from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { loadProfiles } from '../../../src/profiles/load.ts';
import { type ChatMessage, promptTextTokens } from '../../../src/tokens/text/chat.ts';
import type { Encoding, EncodingName } from '../../../src/tokens/text/openai.ts';
import { openAiVocabulary } from '../../../src/tokens/text/openai.ts';
import type { Tokeniser } from '../../../src/tokens/text/vocabulary.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });

const encodings: Readonly<Record<EncodingName, Encoding>> = { o200k_base, cl100k_base };
const load = (name: EncodingName) => encodings[name];

function vocabulary(id: string): Tokeniser {
  const found = openAiVocabulary(id, load);
  if (found === null) throw new Error(id);
  return found;
}

/**
 * The messages of OpenAI's cookbook ("How to count tokens with tiktoken"), whose prompt tokens it prints as
 * the API reported them. Four of them have a name, which costs its own tokens and one more.
 */
const COOKBOOK: readonly (ChatMessage & { readonly name?: string })[] = [
  {
    role: 'system',
    content:
      'You are a helpful, pattern-following assistant that translates corporate jargon into plain English.',
  },
  {
    role: 'system',
    name: 'example_user',
    content: 'New synergies will help drive top-line growth.',
  },
  {
    role: 'system',
    name: 'example_assistant',
    content: 'Things working well together will increase revenue.',
  },
  {
    role: 'system',
    name: 'example_user',
    content:
      "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
  },
  {
    role: 'system',
    name: 'example_assistant',
    content: "Let's talk later when we're less busy about how to do better.",
  },
  {
    role: 'user',
    content:
      "This late pivot means we don't have time to boil the ocean for the client deliverable.",
  },
];

describe('text of OpenAI', () => {
  it.each([
    ['gpt-4-turbo', 129],
    ['gpt-4o', 124],
    ['gpt-4o-mini', 124],
  ])('costs %s what the cookbook prints', (id, printed) => {
    const own = vocabulary(id);
    const names = COOKBOOK.flatMap(({ name }) => name ?? []);
    const named = names.reduce(
      (sum, name) => sum + 1 + own.count(name, { parseSpecial: false }),
      0,
    );
    const counted = promptTextTokens(COOKBOOK, null, own);
    expect(counted).toEqual({ kind: 'exact', tokens: printed - named, media: 0 });
  });

  it('takes what looks like a special token for text', () => {
    const own = vocabulary('gpt-4o');
    expect(own.count('<|endoftext|>', { parseSpecial: true })).toBeGreaterThan(1);
    expect(own.tokenise('hello', { parseSpecial: false })).toHaveLength(1);
  });

  it('costs the same in one piece and in many', () => {
    const own = vocabulary('gpt-4o');
    const text = 'The quick brown fox, 12345 times; 中文。Next line\n\n'.repeat(12_000);
    expect(text.length).toBeGreaterThan(1 << 19);
    expect(own.count(text, { parseSpecial: false })).toBe(
      own.tokenise(text, { parseSpecial: false }).length,
    );
  });

  it('is not taken to frame a message without text as one with it', () => {
    const own = vocabulary('gpt-4o');
    const message = { role: 'user', content: [{ type: 'image_url' }] };
    expect(promptTextTokens([message], null, own).kind).toBe('unsupported-chat');
  });

  it('has an encoding for every model of the vendor, and for none of another', () => {
    const hosted = profiles.filter(({ engines }) => engines.every((engine) => engine === 'api'));
    for (const { id, family } of hosted) {
      const found = openAiVocabulary(id, load);
      expect(found !== null, id).toBe(family.startsWith('openai'));
    }
  });
});
