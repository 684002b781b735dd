import type { DeploymentPlan } from '../../contracts/plan.ts';
import { sum } from '../../units.ts';

/** Bytes of all weights, over all devices: what is read at a start, and about what the files take. */
export function weightBytes({ memory }: DeploymentPlan): number {
  const items = memory.devices.flatMap((device) => device.items);
  const weights = items.filter(({ part }) => part === 'weights' || part === 'encoder-weights');
  return sum(weights.map(({ bytes }) => bytes));
}
