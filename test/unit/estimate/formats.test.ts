import { describe, expect, it } from 'vitest';
import { pictureRefusal, soundRefusal } from '../../../src/estimate/formats.ts';

const picture = (format: string | null, frames = 1, side = 100) => ({
  ...{ format, frames },
  ...{ width: side, height: side },
});

describe('pictures that an engine does not take', () => {
  it.each([
    ['llama.cpp', picture('gif', 5), null],
    ['llama.cpp', picture('png', 5), null],
    ['llama.cpp', picture('webp'), null],
    ['llama.cpp', picture('webp', 5), /decodes no animation .*send its first frame/],
    ['llama.cpp', picture('avif'), /takes AVIF for a video/],
    ['llama.cpp', picture('png', 1, 50_000), /refuses a picture of 50000x50000/],
    ['llama.cpp', picture(null, 1, 50_000), /refuses a picture of 50000x50000/],
    ['llama.cpp', picture('jpg', 1, 20_000), null],
    ['vllm', picture('gif', 5), null],
    ['vllm', picture('jpg', 1, 20_000), /refuses a picture/],
    ['vllm', picture('jpg', 1, 13_000), null],
    ['api', picture('gif'), null],
    ['api', picture('gif', 2), /no animated GIF: send its first frame/],
    ['api', picture('tiff'), /the API takes no TIFF/],
  ] as const)('%s, %o', (engine, given, why) => {
    const refusal = pictureRefusal(engine, given);
    if (why === null) expect(refusal).toBeNull();
    else expect(refusal).toMatch(why);
  });
});

describe('sounds that an engine does not take', () => {
  it.each([
    ['llama.cpp', 'wav', null],
    ['llama.cpp', 'mp3', null],
    ['llama.cpp', 'flac', null],
    ['llama.cpp', null, null],
    ['llama.cpp', 'ogg', /decodes no OGG: convert it to WAV, MP3 or FLAC/],
    ['llama.cpp', 'm4a', /decodes no M4A/],
    ['vllm', 'ogg', null],
  ] as const)('%s, %s', (engine, format, why) => {
    const refusal = soundRefusal(engine, format);
    if (why === null) expect(refusal).toBeNull();
    else expect(refusal).toMatch(why);
  });
});
