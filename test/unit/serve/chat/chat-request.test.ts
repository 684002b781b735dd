import { describe, expect, test } from 'vitest';
import { takeChatApart } from '../../../../src/serve/gateway/chat/chat-request.ts';
import { mediaHits, prefixOf } from '../../../../src/serve/gateway/chat/taken-apart.ts';
import { GatewayError } from '../../../../src/serve/gateway/errors.ts';

const PIXELS = Buffer.from('not a picture, but bytes');
const SENT = { kind: 'base64', text: PIXELS.toString('base64') };
const uri = (type = 'image/png') => `data:${type};base64,${PIXELS.toString('base64')}`;
const image = { type: 'image_url', image_url: { url: uri(), detail: 'high' } };
const text = (words: string) => ({ type: 'text', text: words });
const user = (...content: readonly unknown[]) => ({ role: 'user', content });
const medium = (key: string, kind: 'image' | 'audio' = 'image') => ({
  ...{ key, kind, url: `file://${key}`, known: false },
  tokens: { media: 100, wrapper: 2, confidence: 'exact' as const },
});

function refusal(part: unknown): GatewayError {
  try {
    takeChatApart({ messages: [user(part)] });
  } catch (error) {
    if (error instanceof GatewayError) return error;
  }
  throw new Error('not refused');
}

describe('media are taken out and what was made of them is put back', () => {
  test('each in its own place, with where it stood', () => {
    const messages = [{ role: 'system', content: 'be brief' }, user(text('a'), image, text('b'))];
    const { parts, putBack } = takeChatApart({ model: 'm', messages, temperature: 0 });
    expect(parts).toEqual([{ kind: 'image', place: 'messages[1].content[1]', source: SENT }]);
    expect(putBack([[medium('k1')]])).toEqual({
      model: 'm',
      temperature: 0,
      messages: [
        { role: 'system', content: 'be brief' },
        user(text('a'), { type: 'image_url', image_url: { url: 'file://k1' } }, text('b')),
      ],
    });
  });

  test('a PDF or a film may come back as several pictures, or as sound', () => {
    const file = { type: 'file', file: { filename: 'a.pdf', file_data: uri('application/pdf') } };
    const film = { type: 'video_url', video_url: { url: uri('video/mp4') } };
    const { parts, putBack } = takeChatApart({ messages: [user(file, film)] });
    expect(parts.map(({ kind }) => kind)).toEqual(['image', 'video']);
    const back = putBack([[medium('p1'), medium('p2')], [medium('s', 'audio')]]);
    expect(back['messages']).toEqual([
      user(
        { type: 'image_url', image_url: { url: 'file://p1' } },
        { type: 'image_url', image_url: { url: 'file://p2' } },
        { type: 'input_audio', input_audio: { data: 'file://s', format: 'wav' } },
      ),
    ]);
  });

  test('sound as bare base64; a data URI for the engine becomes bare again', () => {
    const sound = { data: PIXELS.toString('base64'), format: 'mp3' };
    const request = { messages: [user({ type: 'input_audio', input_audio: sound })] };
    const { parts, putBack } = takeChatApart(request);
    expect(parts[0]).toMatchObject({ kind: 'audio', source: SENT });
    const back = putBack([[{ kind: 'audio', url: 'data:audio/wav;base64,QUJD' }]]);
    expect(back['messages']).toEqual([
      user({ type: 'input_audio', input_audio: { data: 'QUJD', format: 'wav' } }),
    ]);
  });

  test('a web address is the firewall’s business; a request without media is the same object', () => {
    const remote = { type: 'image_url', image_url: { url: 'https://example.org/a.png' } };
    expect(takeChatApart({ messages: [user(remote)] }).parts[0]?.source).toEqual({
      kind: 'remote',
      url: 'https://example.org/a.png',
    });
    const plain = { messages: [{ role: 'user', content: 'hi' }] };
    expect(takeChatApart(plain).putBack([])).toBe(plain);
  });

  test('image order: first moves media in front of the texts of their own message, and says so', () => {
    const request = { messages: [user(text('a'), image), user(image, text('b'))] };
    const first = takeChatApart(request, 'first');
    expect(first.reordered).toBe(true);
    expect(first.parts.map(({ place }) => place)).toEqual([
      'messages[0].content[1]',
      'messages[1].content[0]',
    ]);
    const shown = { type: 'image_url', image_url: { url: 'file://x' } };
    expect(first.putBack([[medium('x')], [medium('x')]])['messages']).toEqual([
      user(shown, text('a')),
      user(shown, text('b')),
    ]);
    expect(takeChatApart(request).reordered).toBe(false);
  });
});

describe('what is no medium is refused, with its place', () => {
  test.each([
    ['a file of this machine', { type: 'image_url', image_url: { url: 'file:///etc/passwd' } }],
    ['another scheme', { type: 'image_url', image_url: { url: 'gopher://x/' } }],
    ['no scheme', { type: 'image_url', image_url: { url: 'picture.png' } }],
    ['no address', { type: 'image_url', image_url: { url: 7 } }],
    ['null', { type: 'image_url', image_url: null }],
    ['nothing', { type: 'image_url' }],
    ['a data URI that is not base64', { type: 'image_url', image_url: { url: 'data:,abc' } }],
    ['no sound', { type: 'input_audio', input_audio: {} }],
  ])('%s', (_what, part) => {
    expect(refusal(part)).toMatchObject({
      status: 400,
      code: 'invalid_media',
      message: expect.stringContaining('`messages[0].content[0]`') as string,
    });
  });
});

describe('the beginnings of a prompt', () => {
  const digests = (request: Readonly<Record<string, unknown>>, key: string, tenant = 't') => {
    const { pieces } = takeChatApart(request);
    return prefixOf(pieces, [[medium(key)]], tenant).map(({ digest }) => digest);
  };
  const asked = (words: string, system = 'be brief') => ({
    messages: [{ role: 'system', content: system }, user(image, text(words))],
  });

  test('two questions about one picture share all but the question', () => {
    const [one, other] = [digests(asked('who?'), 'k'), digests(asked('where?'), 'k')];
    expect(one.slice(0, -1)).toEqual(other.slice(0, -1));
    expect(one.at(-1)).not.toBe(other.at(-1));
  });

  test.each([
    ['another picture', digests(asked('who?'), 'l')],
    ['another system prompt', digests(asked('who?', 'be long'), 'k')],
    ['other tools', digests({ ...asked('who?'), tools: [{}] }, 'k')],
    ['another tenant', digests(asked('who?'), 'k', 'u')],
  ])('%s shares nothing from there on', (_what, other) => {
    const one = digests(asked('who?'), 'k');
    const media = one.length - 2;
    expect(other.slice(media).some((digest) => one.includes(digest))).toBe(false);
  });

  test('a medium is found in the slot, in the store, or nowhere', () => {
    const { pieces } = takeChatApart({ messages: [user(image, text('and'), image)] });
    const media = [[medium('a')], [{ ...medium('b'), known: true }]];
    expect(mediaHits(pieces, media, 3)).toEqual(['kv', 'media']);
    expect(mediaHits(pieces, media, pieces.length)).toEqual(['kv', 'kv']);
    expect(mediaHits(pieces, media, 0)).toEqual(['none', 'media']);
  });
});
