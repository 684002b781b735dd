import type { EncoderModel, ModelDescription } from '../contracts/model.ts';
import type { DeploymentPlan } from '../contracts/plan.ts';
import { MmdeployError } from '../errors.ts';
import { encoderComputeAtLoad } from '../memory/encoder.ts';
import { effectiveCap, largestPictures } from '../memory/encoder-image.ts';
import { encoderArgs } from '../simulate/plan-args.ts';
import type { SimulateDeps } from '../simulate/simulate.ts';
import { simulatePeak } from '../simulate/simulate-peak.ts';
import type { PeakFigures } from './engine-figures.ts';

export type SecondPeak = {
  /** Null where the largest image needs no more than what is held at load, or could not be asked for. */
  readonly figures: PeakFigures | null;
  /** Why it could not. */
  readonly warning: string | null;
};

/**
 * What llama.cpp holds for the encoder at the largest image of a plan. It is asked only where the formulas
 * say that the image needs more than the one that memory is reserved for at load, or say nothing.
 */
export async function secondPeak(
  plan: DeploymentPlan,
  model: ModelDescription,
  deps: SimulateDeps,
): Promise<SecondPeak> {
  const { settings, engine } = plan;
  const { encoder } = model;
  if (encoder === null || settings === null || engine === null) return NOTHING;
  const holder = plan.memory.devices.find(({ items }) =>
    items.some(({ part }) => part === 'encoder-weights'),
  );
  const attention = settings.flashAttention === false ? 'off' : 'flash';
  const cap = effectiveCap(encoder, settings.imageMaxTokens, settings.ubatch);
  const pictures = largestPictures(encoder, cap);
  const load = encoderComputeAtLoad(encoder, attention);
  const grows = plan.memory.devices.some((device) => device.peakBytes > device.afterLoadBytes);
  if (holder === undefined || (!grows && load.measuredGraph)) return NOTHING;
  const onGpu = holder.id !== 'host';
  const args = encoderArgs(engine.args);
  try {
    const buffers = await simulatePeak({ encoder, pictures, attention, onGpu, args }, deps);
    const ears = earsOf(encoder, attention);
    const device: [string, number] = [holder.id, buffers.device + ears.device];
    const host: [string, number][] = onGpu ? [['host', buffers.host + ears.host]] : [];
    return { figures: new Map([device, ...host]), warning: null };
  } catch (error) {
    if (!(error instanceof MmdeployError) || error.code === 'interrupted') throw error;
    return { figures: null, warning: `the largest image is by the formulas: ${error.message}` };
  }
}

const NOTHING: SecondPeak = { figures: null, warning: null };

/** Buffers of the second tower of a file, which an image leaves as they are. */
function earsOf({ audio }: EncoderModel, attention: 'flash' | 'off') {
  if (audio === undefined) return { device: 0, host: 0 };
  const load = encoderComputeAtLoad(audio, attention);
  return { device: load.device.bytes, host: load.host.bytes };
}
