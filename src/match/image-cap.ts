import { tokenLimits } from '../layout/encoder-limits.ts';
import { DEFAULT_UBATCH } from '../memory/types.ts';
import { roundUp } from '../units.ts';
import { evaluateFormatted, pointOf } from './evaluate.ts';
import { LEAST_CAP, imageTokensOf } from './launch.ts';
import type { Evaluated, Resources, Wishes } from './types.ts';
import { workloadImageTokens } from './workload.ts';

/** Caps are multiples of the second above so many tokens, and of the first below. */
const STEPS = { fine: 64, coarse: 256, above: 2048 } as const;

/**
 * What does not fit at the largest image, with the largest `--image-max-tokens` under which `holds` says
 * that it does. Null where no cap helps: it does not fit at load either, the family's images have one size,
 * a cap was asked for, or the images of the workload need more than fits.
 */
export function cappedToFit(
  failed: Evaluated,
  resources: Resources,
  wishes: Wishes,
  holds: (result: Evaluated) => boolean = ({ verdict }) => verdict !== 'no',
): Evaluated | null {
  if (failed.fault !== null || !capMayHelp(failed, wishes)) return null;
  const at = (imageCap: number | undefined): Evaluated | null => {
    if (imageCap === undefined) return null;
    const point = { ...pointOf(failed), imageCap };
    const result = evaluateFormatted(failed.model, resources, wishes, point);
    return result.fault === null && holds(result) ? result : null;
  };
  const caps = capsOf(failed, wishes);
  let found = at(caps[0]);
  if (found === null) return null;
  for (let low = 1, high = caps.length - 1; low <= high;) {
    const middle = Math.floor((low + high) / 2);
    const here = at(caps[middle]);
    if (here === null) high = middle - 1;
    else [found, low] = [here, middle + 1];
  }
  return found;
}

/** A cap lowers the second peak only, and the micro-batch of a model that decodes an image in one piece. */
function capMayHelp({ model, devices, settings }: Evaluated, wishes: Wishes): boolean {
  if (wishes.imageMaxTokens !== null) return false;
  const raised = wishes.ubatch === null && settings.ubatch > DEFAULT_UBATCH;
  if (raised && imageTokensOf(model)?.inOnePiece === true) return true;
  return devices.some(({ afterLoadBytes, peakBytes }) => peakBytes > afterLoadBytes);
}

/**
 * Caps worth trying, smallest first. None is below what the workload's images or the model need, nor below
 * the image that memory is reserved for at load: that one takes its buffer whatever the cap.
 */
function capsOf({ model, settings }: Evaluated, wishes: Wishes): number[] {
  const own = imageTokensOf(model);
  if (own === null || !own.adjustable || model.encoder === null) return [];
  const largest = settings.imageMaxTokens ?? own.largest;
  const step = largest > STEPS.above ? STEPS.coarse : STEPS.fine;
  const reserved = (tokenLimits(model.encoder)?.warmUpSide ?? 0) ** 2;
  const needed = Math.max(own.smallest, LEAST_CAP, workloadImageTokens(model, wishes));
  const least = Math.max(roundUp(needed, step), Math.floor(reserved / step) * step);
  const count = Math.max(0, Math.ceil((largest - least) / step));
  return Array.from({ length: count }, (_, index) => least + index * step);
}
