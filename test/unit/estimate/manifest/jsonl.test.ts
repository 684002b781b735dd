import { describe, expect, it } from 'vitest';
import { jsonlRow } from '../../../../src/estimate/manifest/jsonl.ts';

const row = (value: unknown) =>
  jsonlRow(
    { number: 7, text: typeof value === 'string' ? value : JSON.stringify(value), problem: null },
    'data',
  );
const inputs = (value: unknown) =>
  row(value).parts.map((part) => (part.kind === 'described' ? part.input : part));

describe('items of our own', () => {
  it.each([
    [{ image: { width: 1920, height: 1080 }, count: 3 }, { modality: 'image', width: 1920, height: 1080, count: 3, input: 'line 7: 1920x1080' }], // prettier-ignore
    [
      { id: 'x', audio: { seconds: 30 } },
      { modality: 'audio', seconds: 30, input: 'x: 30s' },
    ],
    [{ id: 4, video: { seconds: 10, width: 1280, height: 720, fps: 30 } }, { modality: 'video', seconds: 10, width: 1280, height: 720, fps: 30, input: '4: 10s@1280x720@30' }], // prettier-ignore
    [{ text: 'What is this?' }, { modality: 'text', text: 'What is this?', input: 'line 7: text' }],
    [{ textTokens: 500 }, { modality: 'text', text: null, textTokens: 500 }],
    [{ image: 'a.jpg' }, { kind: 'file', path: 'data/a.jpg', modality: 'image', count: 1 }],
    [
      { image: { path: 'a.jpg', detail: 'low' }, detail: 'high' },
      { kind: 'file', detail: 'low' },
    ],
    [
      { image: 'a.jpg', detail: 'high' },
      { kind: 'file', detail: 'high' },
    ],
    [{ path: '/srv/b.mp4' }, { kind: 'file', path: '/srv/b.mp4', modality: null }],
    [{ image: 'file:///srv/a%20b.png' }, { kind: 'file', path: '/srv/a b.png' }],
    [{ image: { path: 'a.jpg', width: 5, height: 6 } }, { input: 'data/a.jpg', width: 5, height: 6 }], // prettier-ignore
    [{ image: 'https://example.org/a.png' }, { kind: 'url', url: 'https://example.org/a.png', modality: 'image' }], // prettier-ignore
    [{ image: 's3://bucket/a.png' }, { kind: 'unreadable' }],
  ])('%j', (value, expected) => {
    expect(row(value).problem).toBeNull();
    expect(inputs(value)).toMatchObject([expected]);
  });

  it('takes several inputs of one line, counted as often as the line', () => {
    const value = { inputs: [{ image: 'a.jpg', text: 'one' }, { textTokens: 3, count: 2 }], count: 5 }; // prettier-ignore
    expect(inputs(value)).toMatchObject([
      { path: 'data/a.jpg', count: 5 },
      { text: 'one', count: 5 },
      { textTokens: 3, count: 10 },
    ]);
  });

  it('keeps key and settings of the line', () => {
    const value = { id: 'a', textTokens: 1, model: 'gpt-4o', maxTokens: 90 };
    expect(row(value)).toMatchObject({ key: 'a', settings: { model: 'gpt-4o', outputTokens: 90 } });
  });
});

describe('lines that cannot be read', () => {
  it.each([
    ['{"image": "a.jpg"', /^line 7: not JSON: /],
    ['[1]', /^line 7: \[1\] is no object$/],
    ['null', /^line 7: null is no object$/],
    ['{}', /^line 7: an empty object: no input in it/],
    [{ imgae: 'a.jpg' }, /^line 7: only imgae: no input in it \(image, audio/],
    [{ image: 3 }, /^line 7: image: 3 is no path$/],
    [{ image: '' }, /^line 7: image: "" is no path$/],
    [{ image: {} }, /^line 7: image.width: null is not a whole number of pixels above zero$/],
    [{ image: { width: 0, height: 3 } }, /^line 7: image.width: 0 is not/],
    [{ image: { width: 1, height: 2.5 } }, /^line 7: image.height: 2.5 is not/],
    [{ image: { width: '1', height: 2 } }, /^line 7: image.width: "1" is not/],
    [
      { image: { widht: 1, height: 2 } },
      /^line 7: image.widht: unknown; image has path, url, width/,
    ],
    [{ image: { path: 'a', detail: 'best' } }, /^line 7: image.detail: "best" is not one of low/],
    [{ audio: { seconds: -1 } }, /^line 7: audio.seconds: -1 is not a length above zero$/],
    ['{"audio": {"seconds": 1e999}}', /^line 7: audio.seconds: null is not a length/],
    [{ video: { seconds: 1, width: 2, height: 2, fps: 0 } }, /^line 7: video.fps: 0 is not a rate/],
    [{ text: 5 }, /^line 7: text: 5 is no text$/],
    [{ textTokens: -1 }, /^line 7: textTokens: -1 is not a whole number of tokens$/],
    [{ text: 'a', count: 0 }, /^line 7: count: 0 is not a whole number above zero$/],
    [{ inputs: [{ text: 'a', count: 1e6 }], count: 1e6 }, /^line 7: inputs\[0\].count: .* is more than/], // prettier-ignore
    [{ inputs: [] }, /^line 7: inputs: an empty list$/],
    [{ inputs: 'a.jpg' }, /^line 7: inputs: "a.jpg" is no list$/],
    [{ inputs: ['a.jpg'] }, /^line 7: inputs\[0\]: "a.jpg" is no object$/],
    [{ inputs: [{ inputs: [{ text: 'a' }] }] }, /^line 7: inputs\[0\]: inputs do not nest$/],
    [{ id: {}, text: 'a' }, /^line 7: id: \{\} is no name$/],
    [{ text: 'a', model: 3 }, /^line 7: model: 3 is no name$/],
    [{ text: 'a', maxTokens: '3' }, /^line 7: maxTokens: "3" is not a whole number of tokens$/],
    [{ image: 'data:image/png' }, /^line 7: image: a data URI without a comma/],
    [{ image: 'data:image/png,abc' }, /^line 7: image: a data URI that is not base64$/],
    [
      { image: 'data:image/png;base64,????????????' },
      /^line 7: image: base64 without a single byte/,
    ],
  ])('%j', (value, problem) => {
    expect(row(value)).toMatchObject({
      line: 7,
      parts: [],
      problem: expect.stringMatching(problem),
    });
  });

  it('shows the beginning of a long value only', () => {
    expect(row(JSON.stringify('x'.repeat(10_000))).problem?.length).toBeLessThan(120);
  });
});
