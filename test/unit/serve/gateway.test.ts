import { describe, expect, test } from 'vitest';
import { chatContent } from '../../../src/serve/gateway/chat-images.ts';
import {
  estimatePrompt,
  type ImageCounting,
  type PromptEngine,
} from '../../../src/serve/gateway/estimate-prompt.ts';

const image = (bytes: string) => ({
  type: 'image_url',
  image_url: { url: `data:image/png;base64,${Buffer.from(bytes).toString('base64')}` },
});
const text = (value: string) => ({ type: 'text', text: value });
const user = (...content: unknown[]) => ({ role: 'user', content });

describe('chatContent', () => {
  test('texts and media in order; the light request carries no picture', () => {
    const request = {
      seed: 1,
      messages: [
        { role: 'system', content: 'be brief' },
        user(text('a'), image('PNG'), { type: 'image_url', image_url: { url: 'http://x/y.png' } }),
        user({ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }, text('b')),
      ],
    };
    const content = chatContent(request);
    expect(content.texts).toEqual(['be brief', 'a', 'b']);
    expect(content.media).toEqual([Buffer.from('PNG'), null, null]);
    expect(JSON.stringify(content.light)).not.toContain(Buffer.from('PNG').toString('base64'));
    expect(content.light).toMatchObject({ seed: 1, messages: [{ content: 'be brief' }, {}, {}] });
  });
});

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
  const counting: ImageCounting = {
    imageSizeOf: (file) => (file.length === 3 ? { width: 30, height: 20 } : null),
    countImage: ({ width, height }) => ({
      image: width * height,
      wrapper: 2,
      confidence: 'formula',
    }),
  };
  const estimate = (...content: unknown[]) =>
    estimatePrompt({ messages: [user(...content)] }, engine, counting);

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
