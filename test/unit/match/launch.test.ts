import { describe, expect, it } from 'vitest';
import type { ModelDescription } from '../../../src/contracts/model.ts';
import { imageLaunch } from '../../../src/match/launch.ts';
import { NO_WISHES } from '../../../src/match/types.ts';
import { describeProfile } from '../../../src/profiles/describe.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });
const modelOf = (id: string) => describeProfile(findModel(profiles, id));

/** Gemma 4 12B and up: 70 to 1120 tokens of 48 x 48 pixels, decoded in one piece. */
const inOnePiece: ModelDescription = {
  ...modelOf('qwen2.5-vl-7b'),
  imageTokens: {
    'llama.cpp': {
      rule: 'smart-resize',
      params: {
        ...{ factor: 48, minPixels: 70 * 2304, maxPixels: 1120 * 2304 },
        ...{ arithmetic: 'c-float32', ubatchCaps: true },
      },
      wrapper: { begin: '', end: '', tokens: 2 },
      source: 'test',
    },
  },
};

describe('imageLaunch', () => {
  it('leaves alone what works', () => {
    expect(imageLaunch(modelOf('llava-1.5-7b'), NO_WISHES, 4096)).toEqual({
      ubatch: 512,
      imageMaxTokens: null,
      notes: [],
      fault: null,
    });
  });

  it('refuses a slot that holds no image at all', () => {
    const { fault } = imageLaunch(modelOf('llava-1.5-7b'), NO_WISHES, 512);
    expect(fault).toMatch(/576 tokens.*512.*--context 2048/);
  });

  it('caps images to what a slot has room for, text and wrappers included', () => {
    // 4096 tokens of an image and 2 of its wrapper leave nothing of 4096.
    const launch = imageLaunch(modelOf('qwen2.5-vl-7b'), NO_WISHES, 4096);
    expect(launch.imageMaxTokens).toBe(4096 - 512 - 2);
    expect(launch.notes.join()).toMatch(/capped/);
    expect(imageLaunch(modelOf('qwen2.5-vl-7b'), NO_WISHES, 8192).imageMaxTokens).toBeNull();
  });

  it('divides the room among the images of a request', () => {
    const image = { count: 2, width: 640, height: 480 };
    const workload = {
      users: 1,
      images: image,
      audio: null,
      video: null,
      textTokens: 600,
      outputTokens: 400,
    };
    const launch = imageLaunch(modelOf('qwen2.5-vl-7b'), { ...NO_WISHES, workload }, 4096);
    expect(launch.imageMaxTokens).toBe((4096 - 1000) / 2 - 2);
  });

  it('says so where tiles cannot be capped', () => {
    const launch = imageLaunch(modelOf('internvl3-8b'), NO_WISHES, 2048);
    expect(launch.imageMaxTokens).toBeNull();
    expect(launch.notes.join()).toMatch(/3328 tokens.*refused/);
  });

  it('raises the micro-batch to one whole image', () => {
    const launch = imageLaunch(inOnePiece, NO_WISHES, 8192);
    expect(launch).toMatchObject({ ubatch: 1120, imageMaxTokens: null, fault: null });
    expect(launch.notes.join()).toMatch(/one piece/);
  });

  it('caps images to a micro-batch that was asked for', () => {
    const launch = imageLaunch(inOnePiece, { ...NO_WISHES, ubatch: 512 }, 8192);
    expect(launch).toMatchObject({ ubatch: 512, imageMaxTokens: 512, fault: null });
  });

  it('refuses a micro-batch below the image that was asked for', () => {
    const wishes = { ...NO_WISHES, ubatch: 512, imageMaxTokens: 1000 };
    expect(imageLaunch(inOnePiece, wishes, 8192).fault).toMatch(/--ubatch 1024/);
  });
});
