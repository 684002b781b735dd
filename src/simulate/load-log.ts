import { MIB } from '../units.ts';
import type { EngineLayout, LayoutRow } from './layout-log.ts';

/** Printed once everything is loaded. */
export const LOADED = /listening on (?:http|unix):\/\//;
/** The same with the address. */
export const LOADED_AT = /listening on (http:\/\/[\d.]+:\d+)/;

// `load_tensors:        CUDA0 model buffer size =  4168.09 MiB`; a cache with sliding layers has two
// lines for each device, a recurrent state one of its own.
const BUFFER = /(\w+): +(\S+) (model|KV|RS|compute) buffer size = +([\d.]+) MiB/g;
const USING = /using device (\S+) \(([^)]*)\)/g;
const ENCODER_MODEL = /load_hparams: model size: +([\d.]+) MiB/g;
const ENCODER_DEVICE = /CLIP using (\S+) backend/g;

type Buffer = { from: string; device: string; kind: string; bytes: number };

/**
 * What llama-server allocated, from the log of a load at `-lv 5`, to 0.01 MiB; `devices` counts the
 * plan's GPUs. Null when the log names no buffer. A host that maps the file counts the whole range from
 * its first tensor to its last, which on a partial offload holds more than the host's own.
 */
export function parseLoad(log: string, devices: number): EngineLayout | null {
  const known = [...log.matchAll(USING)].map(([, name, about]) => `${name}|${about}`);
  const places = [...new Set(known)].map((text) => text.split('|'));
  const buffers = [...log.matchAll(BUFFER)].map(toBuffer);
  if (!buffers.some(({ kind }) => kind === 'model')) return null;
  // `CUDA0`; a remote device is `RPC0[127.0.0.1:50811]`, which is no name but an address.
  const gpuOf = (device: string): number | null => {
    const address = /\[(.*)\]$/.exec(device)?.[1];
    const index = places.findIndex(([name, about]) =>
      address === undefined ? name === device : about === address,
    );
    return index === -1 ? null : index;
  };
  const of = (gpu: number | null) => rowOf(buffers.filter(({ device }) => gpuOf(device) === gpu));
  return {
    gpus: Array.from({ length: devices }, (_, gpu) => of(gpu)),
    host: of(null),
    encoder: encoderOf(log, buffers, gpuOf),
  };
}

function toBuffer([, from = '', device = '', kind = '', size]: RegExpExecArray): Buffer {
  return { from, device, kind, bytes: Math.round(Number(size) * MIB) };
}

function rowOf(buffers: readonly Buffer[]): LayoutRow {
  const total = (wanted: (buffer: Buffer) => boolean) =>
    buffers.filter(wanted).reduce((sum, { bytes }) => sum + bytes, 0);
  // A reserve that is repeated replaces the one before.
  const compute = new Map(
    buffers
      .filter(({ from }) => from === 'sched_reserve')
      .map(({ device, bytes }) => [device, bytes]),
  );
  return {
    weights: total(({ kind }) => kind === 'model'),
    kvCache: total(({ kind }) => kind === 'KV' || kind === 'RS'),
    compute: [...compute.values()].reduce((sum, bytes) => sum + bytes, 0),
  };
}

/** Towers for pictures and for sound are loaded one after the other, onto the same device. */
function encoderOf(
  log: string,
  buffers: readonly Buffer[],
  gpuOf: (device: string) => number | null,
): EngineLayout['encoder'] {
  const sizes = [...log.matchAll(ENCODER_MODEL)].map(([, size]) => Number(size) * MIB);
  if (sizes.length === 0) return null;
  const [, named = 'CPU'] = [...log.matchAll(ENCODER_DEVICE)][0] ?? [];
  const compute = buffers.filter(({ from }) => /^(reserve|alloc)_compute_meta$/.test(from));
  const places = [named, ...compute.map(({ device }) => device)].map(gpuOf);
  const gpu = places.find((place) => place !== null);
  const bytesOn = (where: number | null) =>
    compute
      .filter(({ device }) => gpuOf(device) === where)
      .reduce((sum, { bytes }) => sum + bytes, 0);
  const weights = Math.round(sizes.reduce((sum, bytes) => sum + bytes, 0));
  return gpu === undefined
    ? { gpu: null, bytes: weights + bytesOn(null), hostBytes: 0 }
    : { gpu, bytes: weights + bytesOn(gpu), hostBytes: bytesOn(null) };
}
