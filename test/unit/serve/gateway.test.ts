import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { chatContent } from '../../../src/serve/gateway/chat-images.ts';
import { cleanBody } from '../../../src/serve/gateway/client-fields.ts';
import {
  estimatePrompt,
  type ImageCounting,
  type PromptEngine,
} from '../../../src/serve/gateway/estimate-prompt.ts';
import { keyCheck, parseKeyFile, readKeys } from '../../../src/serve/gateway/keys.ts';

const image = (bytes: string) => ({
  type: 'image_url',
  image_url: { url: `data:image/png;base64,${Buffer.from(bytes).toString('base64')}` },
});
const text = (value: string) => ({ type: 'text', text: value });
const user = (...content: unknown[]) => ({ role: 'user', content });

describe('cleanBody', () => {
  test('a body without them is the very same buffer', () => {
    const body = Buffer.from('{"messages":[{"content":"\\u00e9 about id_slot"}],"n":1}');
    expect(cleanBody(body)).toBe(body);
  });

  test('only top-level fields go; the same words elsewhere stay', () => {
    const body = Buffer.from('{"lora":[],"tools":[{"lora":1}],"note":"\\"id_slot\\""}');
    expect(JSON.parse(cleanBody(body).toString())).toEqual({
      tools: [{ lora: 1 }],
      note: '"id_slot"',
    });
  });
});

describe('cleanBody refuses media by address', () => {
  const chat = (part: unknown) => Buffer.from(JSON.stringify({ messages: [user(part)] }));

  test.each([
    { type: 'image_url', image_url: { url: 'http://169.254.169.254/latest/meta-data' } },
    { type: 'image_url', image_url: { url: 'HTTPS://example.org/a.png' } },
    { type: 'image_url', image_url: 'file:///etc/passwd' },
    { type: 'image_url', image_url: { url: 'a.png' } },
    { type: 'video_url', video_url: { url: 'ftp://host/clip.mp4' } },
  ])('%j', (part) => {
    expect(() => cleanBody(chat(part))).toThrow(/not fetched, send them as a data URI/);
  });

  test('an escaped field name does not hide one', () => {
    const body = '{"messages":[{"content":[{"\\u0069mage_url":{"url":"http://h/"}}]}]}';
    expect(() => cleanBody(Buffer.from(body))).toThrow(/not fetched/);
  });

  test('data URIs and addresses in text pass, byte for byte', () => {
    const body = chat([image('png'), text('see http://example.org/a.png')]);
    expect(cleanBody(body)).toBe(body);
    const nested = Buffer.from(
      JSON.stringify({ messages: [user(image('png'), text('http://h/'))] }),
    );
    expect(cleanBody(nested)).toBe(nested);
  });
});

describe('keys', () => {
  test('a key file: one a line, comments and blank lines out, Windows line ends too', () => {
    expect(parseKeyFile('# team a\r\n alpha \r\n\r\nbeta')).toEqual(['alpha', 'beta']);
  });

  test('an empty or missing key is none of them', () => {
    const accepts = keyCheck(['alpha']);
    expect([undefined, '', 'Bearer ', 'alpha', 'Basic alpha'].map(accepts)).toEqual(
      Array<boolean>(5).fill(false),
    );
    expect(accepts('bearer alpha')).toBe(true);
  });

  test('a file that is missing, a folder, empty, or holds what no client can send', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-keys-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const holding = (text: string) => {
      const file = join(folder, 'keys');
      writeFileSync(file, text);
      return readKeys(file);
    };
    await expect(readKeys(join(folder, 'none'))).rejects.toMatchObject({ exitCode: 5 });
    await expect(readKeys(folder)).rejects.toThrow('it is a folder');
    await expect(holding('# none yet\n')).rejects.toThrow('holds no key');
    await expect(holding('good\ntwo words\n')).rejects.toThrow(/key 2 of .*blank/);
    await expect(holding('schlüssel\n')).rejects.toMatchObject({ code: 'input.invalid' });
    expect(await holding('good\n')).toEqual(['good']);
  });

  test('without keys everybody passes', () => {
    expect(keyCheck([])(undefined)).toBe(true);
  });
});

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
