import type { Pool } from 'undici';
import { describe, expect, test } from 'vitest';
import { takeChatApart } from '../../../../src/serve/gateway/chat/chat-request.ts';
import { expectedDifference, judge, judgeAnswer } from '../../../../src/serve/gateway/chat/seen.ts';
import { Witness, type CountInput } from '../../../../src/serve/gateway/chat/witness.ts';
import type { Confidence } from '../../../../src/contracts/basis.ts';
import type { MediaTokens, PreparedMedia } from '../../../../src/serve/seams.ts';

const tokens = (media: number, wrapper = 0, confidence: Confidence = 'exact'): MediaTokens => ({
  ...{ media, wrapper, confidence },
});
const references = { image: { url: 'data:tiny', tokens: tokens(16, 2) }, audio: null };
const image = (key: string, count: MediaTokens | null): PreparedMedia => ({
  ...{ kind: 'image', key, url: `file://${key}`, size: { width: 1, height: 1 }, seconds: null },
  ...{ tokens: count, known: false, release: () => undefined },
});

describe('how the engine’s count is judged', () => {
  test('each medium against the reference in its place, marks included', () => {
    const media = [image('a', tokens(576, 2)), image('b', tokens(100, 2))];
    expect(expectedDifference(media, references)).toBe(578 + 102 - 2 * 18);
    expect(expectedDifference([image('a', null)], references)).toBeNull();
    expect(expectedDifference(media, { image: null, audio: null })).toBeNull();
  });

  test('an exact rule: one token off is not what was sent', () => {
    const media = [image('a', tokens(576))];
    expect(judge(media, 558, 558)).toEqual({ kind: 'seen' });
    expect(judge(media, 558, 557)).toMatchObject({
      kind: 'lost',
      message: expect.stringMatching(/counts 575 tokens .* expected are 576/) as string,
    });
  });

  test('a formula may be off by half, not by a picture', () => {
    const media = [image('a', tokens(576, 0, 'formula'))];
    expect(judge(media, 558, 500)).toMatchObject({ kind: 'odd' });
    expect(judge(media, 558, -18)).toMatchObject({ kind: 'lost' });
    expect(judge(media, 558, 4 * 576)).toMatchObject({ kind: 'lost' });
  });

  test('without a rule each medium costs a token at least', () => {
    const media = [image('a', null), image('b', null)];
    expect(judge(media, null, 2)).toEqual({ kind: 'seen' });
    expect(judge(media, null, 1)).toMatchObject({ kind: 'lost' });
  });
});

describe('how an answer is judged', () => {
  const two = [image('a', tokens(576, 2)), image('b', tokens(100, 2))];

  test('text may be miscounted by less than half of the smallest medium', () => {
    expect(judgeAnswer(two, 30, 30 + 680)).toEqual({ kind: 'seen' });
    expect(judgeAnswer(two, 30, 30 + 680 + 3)).toMatchObject({ kind: 'odd' });
    expect(judgeAnswer(two, 30, 30 + 680 - 51)).toMatchObject({ kind: 'lost' });
    expect(judgeAnswer(two, 30, 30 + 578)).toMatchObject({ kind: 'lost' });
  });

  test('without a rule each medium costs a token; a formula may be off by half', () => {
    const unknown = [image('a', null), image('b', null)];
    expect(judgeAnswer(unknown, 30, 31)).toMatchObject({ kind: 'lost' });
    expect(judgeAnswer(unknown, 30, 32)).toEqual({ kind: 'seen' });
    const rough = [image('a', tokens(100, 0, 'formula'))];
    expect(judgeAnswer(rough, 30, 130 + 49)).toMatchObject({ kind: 'odd' });
    expect(judgeAnswer(rough, null, 49)).toMatchObject({ kind: 'lost' });
  });
});

describe('the witness', () => {
  const url = 'data:image/png;base64,QUJD';
  const part = { type: 'image_url', image_url: { url } };
  const taken = takeChatApart({ messages: [{ role: 'user', content: [part] }] });
  const engine = null as unknown as Pool;
  const signal = new AbortController().signal;

  /** An engine that sees `seen` tokens in a stored picture and 18 in the reference, beside 5 of text. */
  const setUp = (seen: number | null, text: number | null = 5) => {
    const asked: string[] = [];
    const source = { life: 1 };
    const odd: string[] = [];
    const countInput: CountInput = (_engine, _path, body) => {
      const json = JSON.stringify(body);
      asked.push(json);
      if (seen === null) return Promise.resolve(null);
      return Promise.resolve(5 + (json.includes('data:tiny') ? 18 : seen));
    };
    const witness = new Witness({
      source,
      countInput,
      countText: () => Promise.resolve(text),
      references,
      onOdd: (what) => odd.push(what),
    });
    return { witness, asked, source, odd };
  };

  test('asks twice about a new picture, never again about one it has seen in this life', async () => {
    const { witness, asked, source } = setUp(578);
    const media = [[image('a', tokens(576, 2))]];
    expect(await witness.check(engine, '/count', taken, media, signal)).toBeNull();
    expect(asked).toHaveLength(2);
    await witness.check(engine, '/count', taken, media, signal);
    expect(asked).toHaveLength(2);
    source.life = 2;
    await witness.check(engine, '/count', taken, media, signal);
    expect(asked).toHaveLength(4);
  });

  test('an engine that dropped the picture: an error with both numbers, each time', async () => {
    const { witness } = setUp(0);
    const media = [[image('a', tokens(576, 2))]];
    const asking = () => witness.check(engine, '/count', taken, media, signal);
    const lost = {
      status: 502,
      code: 'media_not_seen',
      message: expect.stringMatching(/counts 0 tokens .* expected are 578/) as string,
    };
    await expect(asking()).rejects.toMatchObject(lost);
    await expect(asking()).rejects.toMatchObject(lost);
  });

  test('a rule that is no more than a formula is told, not refused', async () => {
    const { witness, odd } = setUp(570);
    const media = [[image('a', tokens(576, 2, 'formula'))]];
    await witness.check(engine, '/count', taken, media, signal);
    expect(odd).toEqual([expect.stringContaining('570')]);
  });

  const media = [[image('a', tokens(576, 2))]];

  test('an engine that cannot count is asked once, and its answers are checked until one is right', async () => {
    const { witness, asked } = setUp(null);
    const checkOf = async () => witness.check(engine, '/count', taken, media, signal);
    const lost = { status: 502, code: 'media_not_seen' };
    const first = await checkOf();
    expect(() => first?.(5)).toThrow(
      expect.objectContaining({
        ...lost,
        message: expect.stringMatching(/counts 0 tokens .* expected are 578/) as string,
      }),
    );
    expect(() => first?.(null)).toThrow(expect.objectContaining(lost));
    const second = await checkOf();
    second?.(5 + 578);
    expect(await checkOf()).toBeNull();
    expect(asked).toHaveLength(2);
  });

  test('what cannot be counted apart: an answer from fewer tokens than its media is refused, others are told', async () => {
    const { witness, odd } = setUp(null, null);
    const check = await witness.check(engine, '/count', taken, media, signal);
    expect(() => check?.(577)).toThrow(/read 577 tokens, its media alone are 578/);
    check?.(600);
    expect(odd).toEqual([expect.stringContaining('600')]);
    expect(await witness.check(engine, '/count', taken, media, signal)).not.toBeNull();
  });
});
