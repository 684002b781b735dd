import { MIB } from '../units.ts';

/** What llama.cpp says that one device holds, bytes. */
export type LayoutRow = {
  /** Printed in whole MiB, truncated. */
  readonly weights: number;
  readonly kvCache: number;
  /** To 0.01 MiB. */
  readonly compute: number;
};

/** The layout that llama-server prints before it loads anything. */
export type EngineLayout = {
  /** In the engine's order. */
  readonly gpus: readonly LayoutRow[];
  readonly host: LayoutRow;
  /** Projector: weights and compute buffer where it runs, and what it keeps on the host besides. */
  readonly encoder: {
    readonly gpu: number | null;
    readonly bytes: number;
    readonly hostBytes: number;
  } | null;
};

/** Ends what is read: everything wanted stands before it, also when nothing fits. */
export const LAYOUT_END = 'fitting params to free memory took';

const TABLE = 'memory breakdown [MiB]';
// `|   - RPC0 (127.0.0.1:50701) | 24105 = 24105 + (2474 =  1995 +     240 +     239) + …`
const ROW = /\|\s+- ([^|]*?)\s+\|[^\n|]*?\d+ = +(\d+) \+ +(\d+) \+ +(\d+)[ )]/g;
const COMPUTE = /sched_reserve: +(\S+) compute buffer size = +([\d.]+) MiB/g;
const ENCODER = /\[mtmd\] adding ([\d.]+) MiB to fit_params_target for device (\S+)/g;

/**
 * Reads a log of `llama-server -lv 5` whose GPUs are stand-ins on these ports. Null when it holds no
 * whole table, or not every stand-in is in it. Only the first table counts: what follows is the engine
 * trying other settings.
 */
export function parseLayout(log: string, ports: readonly number[]): EngineLayout | null {
  const start = log.indexOf(TABLE);
  const end = log.indexOf(TABLE, start + 1);
  if (start === -1) return null;
  const before = log.slice(0, start);
  const rows = [...log.slice(start, end === -1 ? undefined : end).matchAll(ROW)].map(toRow);
  const computes = computeSizes(before);
  const gpus = ports.flatMap((port) => {
    const row = rows.find(({ name }) => name.includes(`:${port})`));
    const compute = computes.find(([name]) => name.includes(`:${port}]`))?.[1];
    return row === undefined ? [] : [{ ...row.bytes, compute: compute ?? row.bytes.compute }];
  });
  const hostRows = rows.filter(({ name }) => !ports.some((port) => name.includes(`:${port})`)));
  if (gpus.length !== ports.length || hostRows.length === 0) return null;
  const hostCompute = computes.filter(
    ([name]) => !ports.some((port) => name.includes(`:${port}]`)),
  );
  const total = (part: keyof LayoutRow) =>
    hostRows.reduce((bytes, row) => bytes + row.bytes[part], 0);
  const host = {
    weights: total('weights'),
    kvCache: total('kvCache'),
    compute:
      hostCompute.length === 0
        ? total('compute')
        : hostCompute.reduce((bytes, [, size]) => bytes + size, 0),
  };
  return { gpus, host, encoder: encoderOf(before) };
}

function toRow([, name = '', model, context, compute]: RegExpExecArray) {
  const bytes = (text: string | undefined) => Number(text) * MIB;
  return {
    name,
    bytes: { weights: bytes(model), kvCache: bytes(context), compute: bytes(compute) },
  };
}

/** The last size of each buffer: a reserve that is repeated replaces the one before. */
function computeSizes(log: string): [name: string, bytes: number][] {
  const sizes = new Map<string, number>();
  for (const [, name = '', size] of log.matchAll(COMPUTE)) {
    sizes.set(name, Math.round(Number(size) * MIB));
  }
  return [...sizes];
}

function encoderOf(log: string): EngineLayout['encoder'] {
  const parts = [...log.matchAll(ENCODER)].map(([, size, device = '']) => ({
    bytes: Math.round(Number(size) * MIB),
    // `RPC0`, or `RPC[127.0.0.1:50701]` in older builds, which is always the first one.
    gpu: /^RPC/.test(device) ? Number(/^RPC(\d+)$/.exec(device)?.[1] ?? 0) : null,
  }));
  const main = parts.find(({ gpu }) => gpu !== null) ?? parts[0];
  if (main === undefined) return null;
  const rest = parts.filter((part) => part !== main);
  return {
    gpu: main.gpu,
    bytes: main.bytes,
    hostBytes: rest.reduce((bytes, part) => bytes + part.bytes, 0),
  };
}
