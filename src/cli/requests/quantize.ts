import { MmdeployError } from '../../errors.ts';
import type { QuantizeRequest } from '../../workflows/quantize.ts';
import type { CommonOptions } from '../shell.ts';

export type QuantizeOptions = CommonOptions & {
  readonly mmproj?: string;
  readonly encoder?: string;
  readonly weights?: string;
  readonly out?: string;
  readonly force?: boolean;
  readonly allowRequantize?: boolean;
  readonly images?: readonly string[];
  readonly drift?: boolean;
  readonly llamaServer?: string;
};

/** Turns the flags of `models quantize` into a request; throws `usage.invalid`. */
export function toQuantizeRequest(name: string, options: QuantizeOptions): QuantizeRequest {
  const { encoder = null, weights = null, out = null, images = [] } = options;
  const measure = options.drift !== false;
  if (encoder === null && weights === null) {
    throw invalid('nothing to do: neither `--encoder` nor `--weights` was given', [
      `the projector: \`mmdeploy models quantize ${name} --encoder Q8_0\``,
      `the language model: \`mmdeploy models quantize ${name} --weights Q4_K_M\``,
    ]);
  }
  if (out !== null && encoder !== null && weights !== null) {
    throw invalid('`--out` names one file, and two are to be made', [
      'leave `--out` out, or make them one after the other',
    ]);
  }
  if (!measure && images.length > 0) {
    throw invalid('`--images` are for the drift, which `--no-drift` leaves out', [
      'leave one of the two out',
    ]);
  }
  return {
    name,
    mmproj: options.mmproj ?? null,
    profilesDir: options.profiles ?? null,
    formats: { encoder, weights },
    out,
    force: options.force === true,
    allowRequantize: options.allowRequantize === true,
    llamaServer: options.llamaServer ?? null,
    drift: { measure, images },
  };
}

function invalid(message: string, hints: readonly string[]): MmdeployError {
  return new MmdeployError('usage.invalid', message, { hints });
}
