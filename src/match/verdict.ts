import type { DeviceMemory } from '../contracts/plan.ts';
import { GIB } from '../units.ts';

/** Share of a card that a what-if plan leaves alone where the driver's free memory is not known. */
const UNDETECTED_SHARE = 0.97;
/** `fits` leaves at least this much, or the share below of what is usable, whichever is more. */
const COMFORT_BYTES = GIB;
const COMFORT_SHARE = 0.05;

/** Bytes a plan may use: free memory where it was detected, else 97 % of the capacity; null when unknown. */
export function usableBytes(
  device: Pick<DeviceMemory, 'freeBytes' | 'capacityBytes'>,
): number | null {
  if (device.freeBytes !== null) return device.freeBytes;
  return device.capacityBytes === null ? null : Math.floor(device.capacityBytes * UNDETECTED_SHARE);
}

/** Room left at the peak; `Infinity` where the device's size is unknown. */
export function roomBytes(device: DeviceMemory): number {
  const usable = usableBytes(device);
  return usable === null ? Number.POSITIVE_INFINITY : usable - device.peakBytes;
}

/**
 * Judges the peaks of all devices. A context filled to the edge of a card spills silently and halves
 * the speed, so `fits` asks for room: at least max(1 GiB, 5 %) on every GPU; the host only has to hold.
 */
export function judge(
  devices: readonly DeviceMemory[],
  offloaded: boolean,
): 'fits' | 'tight' | 'offload' | 'no' {
  if (devices.some((device) => roomBytes(device) < 0)) return 'no';
  if (offloaded) return 'offload';
  return isComfortable(devices) ? 'fits' : 'tight';
}

/** Whether every GPU keeps its room; without a GPU the host, which then does the work, has to. */
export function isComfortable(devices: readonly DeviceMemory[]): boolean {
  const gpus = devices.filter((device) => device.id !== 'host');
  return (gpus.length > 0 ? gpus : devices).every(hasRoom);
}

function hasRoom(device: DeviceMemory): boolean {
  return roomBytes(device) >= comfortBytes(device);
}

/** What a comfortable fit leaves free, bytes; nothing where the size of the device is unknown. */
export function comfortBytes(device: Pick<DeviceMemory, 'freeBytes' | 'capacityBytes'>): number {
  const usable = usableBytes(device);
  return usable === null ? 0 : Math.max(COMFORT_BYTES, usable * COMFORT_SHARE);
}
