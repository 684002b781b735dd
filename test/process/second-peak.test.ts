import { describe, expect, inject, it } from 'vitest';
import type { EncoderModel } from '../../src/contracts/model.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { computeFor } from '../../src/memory/encoder.ts';
import { largestPictures } from '../../src/memory/encoder-image.ts';
import { cutEncoder } from '../../src/simulate/cut-encoder.ts';
import { rpcServerOf } from '../../src/simulate/rpc-server.ts';
import type { SimulateDeps } from '../../src/simulate/simulate.ts';
import { askPeak, simulatePeak } from '../../src/simulate/simulate-peak.ts';
import { MIB } from '../../src/units.ts';
import { createContext } from '../../src/workflows/create-context.ts';
import { freshHome } from '../helpers/cli.ts';
import { encoderOf } from '../helpers/encoders.ts';

const llamaServer = inject('llamaServer');

function deps(): SimulateDeps {
  const { env, run, platform, signal } = createContext();
  const path = llamaServer ?? '';
  return {
    engine: { path, build: null, version: null, devices: [] },
    ...{ rpcServer: rpcServerOf(path), cacheFolder: freshHome(), env, run, platform, signal },
  };
}

/** Small towers of published kinds, with an even and an odd number of blocks. */
const small = {
  embedding: 320,
  feedForward: 960,
  heads: 4,
  patchSize: 14,
  imageSize: 448,
  merge: 2,
};
const TOWERS: Record<string, EncoderDims> = {
  'qwen2.5vl_merger': {
    ...small,
    projectorType: 'qwen2.5vl_merger',
    layers: 16,
    projectionDim: 512,
  },
  qwen2vl_merger: { ...small, projectorType: 'qwen2vl_merger', layers: 11, projectionDim: 512 },
  qwen3vl_merger: {
    ...{ ...small, projectorType: 'qwen3vl_merger', layers: 15, projectionDim: 512 },
    ...{ patchSize: 16, positions: 2304, deepstack: [3, 7, 11] },
  },
  pixtral: { ...small, projectorType: 'pixtral', layers: 9, projectionDim: 512 },
  internvl: { ...small, projectorType: 'internvl', layers: 12, projectionDim: 512 },
};

describe.skipIf(llamaServer === null)('the second peak of the real engine', () => {
  it.each(Object.entries(TOWERS))('of a cut %s is that of the whole one', async (_, dims) => {
    const encoder = encoderOf(dims);
    const pictures = largestPictures(encoder, null);
    const formula = computeFor(encoder, pictures, 'flash');
    const ask = { pictures, attention: 'flash', onGpu: true, args: [] } as const;
    const cut = cutEncoder(encoder, (each) => sameBytes(each, encoder));
    expect(cut.layers).toBeLessThan(encoder.layers);
    const ofCut = await simulatePeak({ ...ask, encoder }, deps());
    expect(await askPeak(encoder, ask, deps())).toEqual(ofCut);
    expect(Math.abs(ofCut.device - formula.device.bytes) / MIB).toBeLessThanOrEqual(0.02);
    expect(Math.abs(ofCut.host - formula.host.bytes) / MIB).toBeLessThanOrEqual(0.02);
  });

  it('says why it could not be had, and leaves nothing behind', async () => {
    const broken = { ...encoderOf(TOWERS['pixtral'] as EncoderDims), projectorType: 'no_such' };
    const ask = { pictures: { size: { width: 64, height: 64 }, count: 1 }, args: [] };
    await expect(
      simulatePeak({ ...ask, encoder: broken, attention: 'flash', onGpu: true }, deps()),
    ).rejects.toMatchObject({ code: 'engine.start' });
  });
});

function sameBytes(one: EncoderModel, other: EncoderModel): boolean {
  const bytes = (encoder: EncoderModel) =>
    computeFor(encoder, largestPictures(encoder, null), 'flash').device.bytes;
  return bytes(one) === bytes(other);
}
