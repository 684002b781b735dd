import type { Deployment } from '../types.ts';

/** The cards of a plan, and the plan with those of its machine. */
type PlanCards = Pick<Deployment, 'accelerator' | 'gpus' | 'plan'>;

/**
 * The cards of the plan as NVIDIA's container tools name them: a number, or a UUID where a card of the machine
 * is in MIG mode, since our numbers count its instances and the driver's do not.
 */
export function deviceIds({ gpus, plan }: PlanCards): readonly string[] {
  const cut = plan.machine.gpus.some(({ mig }) => mig !== null);
  return gpus.map(({ id, uuid }) => (cut && uuid !== null ? uuid : numberOf(id)));
}

/**
 * What keeps an engine to the cards of its plan where it would see every card of the machine, and in the
 * plan's order; nothing where there is no choice.
 */
export function visibleDevices({ accelerator, gpus, plan }: PlanCards): Record<string, string> {
  if (accelerator === 'nvidia') return gpus.length > 1 ? DRIVERS_ORDER : {};
  if (gpus.length === plan.machine.gpus.length) return {};
  const numbers = gpus.map(({ id }) => numberOf(id)).join(',');
  if (accelerator === 'amd') return { HIP_VISIBLE_DEVICES: numbers };
  if (accelerator === 'intel') return { ONEAPI_DEVICE_SELECTOR: `level_zero:${numbers}` };
  return {};
}

/** The driver numbers cards by their slots, and so does a plan; CUDA, left alone, puts the fastest first. */
const DRIVERS_ORDER = { CUDA_DEVICE_ORDER: 'PCI_BUS_ID' };

/**
 * As `visibleDevices`, where nothing else limits NVIDIA cards: outside of containers. A machine that was looked
 * at may have more of them than it showed.
 */
export function visibleOnHost(cards: PlanCards): Record<string, string> {
  const { accelerator, gpus, plan } = cards;
  const { machine } = plan;
  const mayBeMore = machine.origin === 'detected' || gpus.length < machine.gpus.length;
  if (accelerator !== 'nvidia' || !mayBeMore) return visibleDevices(cards);
  return { ...DRIVERS_ORDER, CUDA_VISIBLE_DEVICES: deviceIds(cards).join(',') };
}

function numberOf(id: string): string {
  return id.replace(/^gpu/, '');
}
