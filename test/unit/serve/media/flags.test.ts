import { describe, expect, it } from 'vitest';
import { mediaLimits, remoteHosts } from '../../../../src/cli/requests/serve-media.ts';

const GIVEN = {
  maxImagePixels: '64000000',
  maxImages: '32',
  maxPdfPages: '16',
  maxAudioSeconds: '30m',
  maxVideoSeconds: '60',
};

describe('limits of media', () => {
  it('are numbers, seconds also as a time', () => {
    expect(mediaLimits(GIVEN)).toEqual({
      maxImagePixels: 64_000_000,
      maxImages: 32,
      maxPdfPages: 16,
      maxAudioSeconds: 1800,
      maxVideoSeconds: 60,
    });
  });

  it.each([
    ['--max-image-pixels', { maxImagePixels: '0' }],
    ['--max-images', { maxImages: 'many' }],
    ['--max-audio-seconds', { maxAudioSeconds: 'long' }],
    ['--max-video-seconds', { maxVideoSeconds: '99999999' }],
  ])('%s is named where it is none', (flag, given) => {
    expect(() => mediaLimits({ ...GIVEN, ...given })).toThrow(flag);
  });
});

describe('hosts of remote media', () => {
  it('are written as addresses write them', () => {
    const given = [
      'Images.Example.org, cdn.example.org',
      '127.1',
      '[::FFFF:7f00:1]',
      'bücher.example',
    ];
    expect([...remoteHosts(given)]).toEqual([
      'images.example.org',
      'cdn.example.org',
      '127.0.0.1',
      '::ffff:7f00:1',
      'xn--bcher-kva.example',
    ]);
  });

  it.each([
    'https://a.example',
    'a.example:8080',
    'a.example:80',
    '*.example',
    'a@b.example',
    'a b',
  ])('are not %s', (host) => {
    expect(() => remoteHosts([host])).toThrow(/--allow-remote-media/);
  });
});
