import type { Probe } from '../../contracts/machine.ts';
import { complaintOf, statusOf } from '../host.ts';
import type { Host } from '../host.ts';
import { NOTHING, noGpus } from '../outcome.ts';
import type { FoundGpu, ProbeOutcome } from '../outcome.ts';
import { at, byteCount, looseJson, objects, pciAddress, reported } from '../values.ts';

export const TOOL = 'xpu-smi';
export const DISCOVERY_ARGS = ['discovery', '-j'] as const;
const deviceArgs = (id: string) => ['discovery', '-d', id, '-j'];
/** More devices than any machine has; the list comes from outside. */
const MAX_DEVICES = 16;

/** Intel's data-centre and Arc cards through xpu-smi; integrated ones come from systeminformation. */
export async function probeIntel(host: Host): Promise<ProbeOutcome> {
  if (host.platform === 'darwin') return NOTHING;
  const path = await host.find(TOOL, []);
  if (path === null) return noGpus(probe('missing', null));
  const list = await host.run(path, DISCOVERY_ARGS);
  const devices = devicesOf(list.stdout).slice(0, MAX_DEVICES);
  if (devices.length === 0) {
    const status = statusOf(list) === 'ok' ? 'failed' : statusOf(list);
    return noGpus(probe(status, complaintOf(list)));
  }
  const details = await Promise.all(
    devices.map(async (device) => {
      const id = reported(at(device, 'device_id'));
      if (id === null || at(device, 'memory_physical_size_byte') !== undefined) return device;
      const detail = await host.run(path, deviceArgs(id));
      return { ...device, ...objects(looseJson(detail.stdout))[0] };
    }),
  );
  return { probes: [probe('ok', null)], gpus: details.map(intelGpu), warnings: [] };
}

/** The devices of `xpu-smi discovery -j`. */
export function devicesOf(text: string): object[] {
  const document = looseJson(text);
  return objects(at(document, 'device_list')).filter((device) => 'device_id' in device);
}

/** One device of `xpu-smi discovery -j`, with the keys of `-d <id> -j` where it was asked. */
export function intelGpu(device: object): FoundGpu {
  const name = reported(at(device, 'device_name')) ?? 'Intel GPU';
  // A card has a model number ("Arc(TM) Pro B60", "Max 1100"); an integrated GPU has none.
  const card = /\b(?:[AB]\d{2,3}M?|Flex \d+|Max \d+)\b/i.test(name);
  return {
    vendor: 'intel',
    name,
    uuid: reported(at(device, 'uuid')),
    pciId: pciAddress(at(device, 'pci_bdf_address')),
    memoryKind: card ? 'dedicated' : 'shared_system',
    totalBytes: card ? byteCount(at(device, 'memory_physical_size_byte')) : null,
    freeBytes: card ? byteCount(at(device, 'memory_free_size_byte')) : null,
    backend: 'sycl',
    driverVersion: reported(at(device, 'driver_version')),
    runtimeVersion: null,
    computeCapability: null,
    mig: null,
    source: TOOL,
  };
}

function probe(status: Probe['status'], detail: string | null): Probe {
  return { tool: TOOL, status, version: null, detail };
}
