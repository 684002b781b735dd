import type { Basis } from '../contracts/basis.ts';
import type { DeviceMemory, MemoryItem, Part } from '../contracts/plan.ts';
import { MIB, sum } from '../units.ts';
import type { EngineLayout, LayoutRow } from './layout-log.ts';

/** Where a formula and the engine are further apart than this, the user is told. */
const TOLERANCE = { share: 0.005, bytes: 8 * MIB } as const;

/** Buffers are printed to 0.01 MiB. */
export const ROUNDING = 0.01 * MIB;

/** What the engine holds on one device, by the parts of a plan; a part it does not tell is absent. */
export type PartFigures = Readonly<Partial<Record<Part, number>>>;

/** A part that the engine holds otherwise than the formula says, bytes. */
export type Difference = {
  readonly device: string;
  readonly part: Part;
  /** Where it is not at load. */
  readonly at?: string;
  readonly formula: number;
  readonly engine: number;
};

/** The figures of a layout for the device `gpu` (null: the host). */
export function figuresOf(
  layout: EngineLayout,
  gpu: number | null,
  encoderWeights: number,
): PartFigures {
  const row: LayoutRow | undefined = gpu === null ? layout.host : layout.gpus[gpu];
  const { encoder } = layout;
  const here = encoder !== null && encoder.gpu === gpu;
  const beside = encoder !== null && !here && gpu === null ? encoder.hostBytes : null;
  return {
    ...(row === undefined
      ? {}
      : { weights: row.weights, 'kv-cache': row.kvCache, compute: row.compute }),
    // The engine tells weights and buffer of a projector in one figure; the weights are the file's.
    ...(here
      ? {
          'encoder-weights': encoderWeights,
          'encoder-compute': Math.max(0, encoder.bytes - encoderWeights),
        }
      : {}),
    ...(beside === null ? {} : { 'encoder-compute': beside }),
  };
}

/** Where figures come from, and how finely the engine prints them. */
export type Origin = {
  readonly basis: Extract<Basis, 'simulated' | 'measured'>;
  /** `laid out by llama.cpp b11669`. */
  readonly text: string;
  /** Of weights and KV cache, bytes. */
  readonly resolution: number;
};

/**
 * A device with the engine's figures in place of the formulas'. The engine prints them rounded: bytes
 * that agree with them stay. The growth to the largest image is the formula's.
 */
export function withFigures(
  device: DeviceMemory,
  figures: PartFigures,
  { basis, text: origin, resolution }: Origin,
): DeviceMemory {
  const items = device.items.map((item) => {
    const figure = figures[item.part];
    if (figure === undefined) return item;
    const whole = item.part === 'weights' || item.part === 'kv-cache';
    const step = whole ? resolution : ROUNDING;
    const agrees = item.bytes > figure - ROUNDING && item.bytes < figure + step;
    const bytes = agrees ? item.bytes : figure;
    return { ...item, bytes, basis, formula: `${origin}; formula: ${item.formula}` };
  });
  const missing = Object.entries(figures).flatMap(([part, bytes]): MemoryItem[] =>
    bytes === 0 || items.some((item) => item.part === part)
      ? []
      : [{ part: part as Part, bytes, basis, formula: origin }],
  );
  const all = [...items.slice(0, -1), ...missing, ...items.slice(-1)];
  const afterLoadBytes = sum(all.map(({ bytes }) => bytes));
  const growth = device.peakBytes - device.afterLoadBytes;
  const shift = encoderAt(device) - encoderAt({ items: all });
  const grown = growth === 0 ? 0 : Math.max(0, growth + shift);
  return { ...device, items: all, afterLoadBytes, peakBytes: afterLoadBytes + grown };
}

/**
 * A device with what the engine holds for its encoder at the largest image, bytes: the second peak is that
 * in place of what is held at load. Figures that agree but for the engine's rounding stay.
 */
export function withPeak(
  device: DeviceMemory,
  engine: number,
  basis: Origin['basis'],
): DeviceMemory {
  const added = Math.max(0, engine - encoderAt(device));
  const planned = device.peakBytes - device.afterLoadBytes;
  const agrees = Math.abs(added - planned) <= 2 * ROUNDING;
  const growth = Math.round(agrees ? planned : added);
  return { ...device, peakBytes: device.afterLoadBytes + growth, peakBasis: basis };
}

/** How far the formula's second peak is from what the engine holds; null where nobody needs to know. */
export function peakDifference(device: DeviceMemory, engine: number): Difference | null {
  const formula = encoderAt(device) + device.peakBytes - device.afterLoadBytes;
  const most = Math.max(encoderAt(device), engine);
  const allowed = Math.max(TOLERANCE.bytes, TOLERANCE.share * device.peakBytes);
  if (Math.abs(formula - most) <= allowed) return null;
  return {
    device: device.id,
    part: 'encoder-compute',
    at: 'the largest image',
    formula,
    engine: most,
  };
}

function encoderAt({ items }: Pick<DeviceMemory, 'items'>): number {
  return items.find(({ part }) => part === 'encoder-compute')?.bytes ?? 0;
}

/** Parts of a device in which formula and engine differ, and by more than the whole is trusted to. */
export function differencesOf(device: DeviceMemory, figures: PartFigures): Difference[] {
  const counted = device.items.filter(({ part }) => figures[part] !== undefined);
  const engine = sum(counted.map(({ part }) => figures[part] ?? 0));
  const formula = sum(counted.map(({ bytes }) => bytes));
  const allowed = Math.max(TOLERANCE.bytes, TOLERANCE.share * engine);
  if (Math.abs(engine - formula) <= allowed) return [];
  return counted
    .map(({ part, bytes }) => ({
      device: device.id,
      part,
      formula: bytes,
      engine: figures[part] ?? 0,
    }))
    .filter((difference) => Math.abs(difference.engine - difference.formula) > 2 * MIB);
}
