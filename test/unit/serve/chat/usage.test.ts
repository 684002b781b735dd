import { expect, test } from 'vitest';
import { mediaHeaders } from '../../../../src/serve/gateway/chat/media-header.ts';
import {
  eventsWithMediaUsage,
  mediaUsage,
  promptUsage,
  withMediaUsage,
} from '../../../../src/serve/gateway/chat/usage.ts';

const exact = (media: number, wrapper = 0) => ({ media, wrapper, confidence: 'exact' as const });

test('tokens by kind, marks included; unknown is null, never 0', () => {
  const image = { kind: 'image', tokens: exact(576, 2) } as const;
  const audio = { kind: 'audio', tokens: null } as const;
  expect(mediaUsage([image, image])).toEqual({ image: 1156, audio: 0 });
  expect(mediaUsage([image, audio])).toEqual({ image: 578, audio: null });
});

test('usage keeps what the engine said and gains the modalities', () => {
  const usage = { prompt_tokens: 600, prompt_tokens_details: { cached_tokens: 20 } };
  expect(withMediaUsage({ id: 'x', usage }, { image: 578, audio: null })).toEqual({
    id: 'x',
    usage: { prompt_tokens: 600, prompt_tokens_details: { cached_tokens: 20, image_tokens: 578 } },
  });
  const bare = { id: 'x' };
  expect(withMediaUsage(bare, { image: 1, audio: 0 })).toBe(bare);
  expect(promptUsage({ usage })).toEqual({ promptTokens: 600, cachedTokens: 20 });
  expect(promptUsage({})).toBeUndefined();
});

test('in a stream only the event with the usage changes', () => {
  const delta = 'data: {"choices":[{"delta":{"content":"say \\"usage\\":{ "}}]}\n\n';
  const last = 'data: {"choices":[],"usage":{"prompt_tokens":9}}\n\ndata: [DONE]\n\n';
  const untouched = Buffer.from(delta);
  expect(eventsWithMediaUsage(untouched, { image: 1, audio: 0 })).toBe(untouched);
  expect(eventsWithMediaUsage(Buffer.from(delta + last), { image: 4, audio: 0 }).toString()).toBe(
    `${delta}data: {"choices":[],"usage":{"prompt_tokens":9,"prompt_tokens_details":{"image_tokens":4,"audio_tokens":0}}}\n\ndata: [DONE]\n\n`,
  );
});

test('one header value a medium, the time only where something was encoded', () => {
  const image = { kind: 'image', key: 'ab', tokens: exact(576), seconds: null } as const;
  const size = { width: 336, height: 240 };
  const sound = { kind: 'audio', key: 'cd', tokens: null, size: null, seconds: 29.98 } as const;
  const film = { ...image, kind: 'video', size, frames: 12 } as const;
  expect(mediaHeaders([{ ...image, size }, sound, film], ['kv', 'none', 'media'], 12.4)).toEqual({
    'x-mmdeploy-image': ['ab;336x240;576tok;hit=kv', 'ab;336x240x12;576tok;hit=media;encode_ms=12'],
    'x-mmdeploy-audio': ['cd;29.98s;?tok;hit=none;encode_ms=12'],
  });
});
