import type { ModelDescription } from '../contracts/model.ts';
import { evaluate } from './evaluate.ts';
import { ENCODER_LADDER, QUANT_LADDER } from './formats.ts';
import { pointOf, search } from './search.ts';
import type { Evaluated, Resources, Wishes } from './types.ts';

/** A single change of the wishes that makes the model fit, as flags one can paste. */
export type Change = { readonly flags: string; readonly result: Evaluated };

/** Changes that make a configuration which does not fit fit, smallest loss first; at most `limit`. */
export function mendingChanges(
  model: ModelDescription,
  resources: Resources,
  wishes: Wishes,
  failed: Evaluated,
  limit = 3,
): Change[] {
  return candidateChanges(model, wishes, failed)
    .map(({ flags, changed }) => {
      const point = pointOf(failed);
      const result =
        flags === '--gpu-layers auto'
          ? search(model, resources, changed)
          : evaluate(model, resources, changed, {
              ...point,
              formats: {
                quant: changed.quant ?? point.formats.quant,
                encoderQuant: changed.encoderQuant ?? point.formats.encoderQuant,
              },
              contextPerSlot: changed.contextPerSlot ?? point.contextPerSlot,
              slots: changed.slots ?? point.slots,
            });
      return { flags, result };
    })
    .filter(({ result }) => result.verdict !== 'no')
    .slice(0, limit);
}

type Attempt = { readonly flags: string; readonly changed: Wishes };

function candidateChanges(model: ModelDescription, wishes: Wishes, failed: Evaluated): Attempt[] {
  const { settings, formats } = failed;
  const attempts: Attempt[] = [];
  const add = (flags: string, change: Partial<Wishes>) =>
    attempts.push({ flags, changed: { ...wishes, ...change } });
  if (settings.slots > 1)
    add(`--slots ${Math.ceil(settings.slots / 2)}`, { slots: Math.ceil(settings.slots / 2) });
  if (settings.slots > 2) add('--slots 1', { slots: 1 });
  for (let context = settings.contextPerSlot / 2; context >= 2048; context /= 2) {
    const contextPerSlot = Math.floor(context);
    add(`--context ${contextPerSlot}`, { contextPerSlot });
  }
  if (settings.kvType === 'f16') add('--kv-type q8_0', { kvType: 'q8_0' });
  if (model.basis === 'profile') {
    const rank = (QUANT_LADDER as readonly string[]).indexOf(formats.quant);
    for (const quant of QUANT_LADDER.slice(rank + 1)) add(`--quant ${quant}`, { quant });
    if (formats.encoderQuant === ENCODER_LADDER[0]) {
      add('--encoder-quant Q8_0', { encoderQuant: 'Q8_0' });
    }
  }
  add('--gpu-layers auto', { gpuLayers: null });
  return attempts;
}
