import { describe, expect, test } from 'vitest';
import { takeChatApart } from '../../../src/serve/gateway/chat/chat-request.ts';
import { estimatePrompt, type PromptEngine } from '../../../src/serve/gateway/estimate-prompt.ts';

const image = (bytes: string) => ({
  type: 'image_url',
  image_url: { url: `data:image/png;base64,${Buffer.from(bytes).toString('base64')}` },
});
const text = (value: string) => ({ type: 'text', text: value });
const user = (...content: unknown[]) => ({ role: 'user', content });

describe('estimatePrompt', () => {
  // One token a word, one more for begin of text: enough to see what is added where.
  const words = (value: string) => value.split(/\s+/).filter((word) => word !== '').length;
  const engine: PromptEngine = {
    render: (request) => {
      const messages = request['messages'] as { content: { type: string; text?: string }[] }[];
      const parts = messages.flatMap(({ content }) => content);
      return Promise.resolve(
        `USER ${parts.map((part) => part.text ?? '<<m>>').join(' ')} ASSISTANT`,
      );
    },
    countTokens: (value, addSpecial) => Promise.resolve(words(value) + (addSpecial ? 1 : 0)),
    mediaMarker: () => Promise.resolve('<<m>>'),
  };
  // As long as its picture has three bytes, an image is known.
  const estimate = (...content: unknown[]) => {
    const request = { messages: [user(...content)] };
    const taken = takeChatApart(request);
    const media = taken.parts.map(({ source }) => {
      const known = source.kind === 'base64' && source.text.length === 4;
      const tokens = { media: 600, wrapper: 2, confidence: 'formula' as const };
      return [{ kind: 'image' as const, tokens: known ? tokens : null }];
    });
    return estimatePrompt(request, taken, media, engine);
  };

  test('text only: the whole is text and template, and certain', async () => {
    expect(await estimate(text('one two'))).toEqual({
      text: 2,
      image: 0,
      wrapper: 3,
      total: 5,
      confidence: 'exact',
    });
  });

  test('two images: each adds its tokens and its wrapper; the weakest count gives the confidence', async () => {
    expect(await estimate(image('abc'), text('one two'), image('xyz'))).toEqual({
      text: 2,
      image: 1200,
      wrapper: 7,
      total: 1209,
      confidence: 'formula',
    });
  });

  test('an image of unknown size makes the total unknown, not too small', async () => {
    expect(await estimate(image('abcd'), text('one'))).toEqual({
      text: 1,
      image: null,
      wrapper: null,
      total: null,
      confidence: 'unknown',
    });
  });

  test('more markers than media: unknown', async () => {
    expect((await estimate(text('one <<m>>'), image('abc'))).total).toBeNull();
  });
});
