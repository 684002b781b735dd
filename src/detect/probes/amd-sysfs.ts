import type { Host } from '../host.ts';
import type { FoundGpu } from '../outcome.ts';
import { byteCount, pciAddress } from '../values.ts';
import { kindOf } from './rocm-smi.ts';

const DRM = '/sys/class/drm';
const AMD_VENDOR = '0x1002';

/** What the amdgpu kernel driver says of one card, file by file. */
type SysfsCard = {
  readonly deviceId: string | null;
  readonly productName: string | null;
  readonly uevent: string | null;
  readonly vramTotal: string | null;
  readonly vramUsed: string | null;
};

/** AMD cards from sysfs, for machines without ROCm: llama.cpp reaches those through Vulkan. */
export async function readSysfs(host: Host): Promise<FoundGpu[]> {
  const cards = (await host.listFolder(DRM))
    .filter((name) => /^card\d+$/.test(name))
    .sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)));
  const read = await Promise.all(cards.map((card) => readCard(host, `${DRM}/${card}/device`)));
  return read.filter((card) => card !== null).map(sysfsGpu);
}

async function readCard(host: Host, folder: string): Promise<SysfsCard | null> {
  const file = async (name: string) => (await host.readText(`${folder}/${name}`))?.trim() ?? null;
  if ((await file('vendor')) !== AMD_VENDOR) return null;
  const [deviceId, productName, uevent, vramTotal, vramUsed] = await Promise.all([
    file('device'),
    file('product_name'),
    file('uevent'),
    file('mem_info_vram_total'),
    file('mem_info_vram_used'),
  ]);
  return { deviceId, productName, uevent, vramTotal, vramUsed };
}

function sysfsGpu(card: SysfsCard): FoundGpu {
  const totalBytes = byteCount(card.vramTotal);
  const used = byteCount(card.vramUsed);
  const product = card.productName === null || card.productName === '' ? null : card.productName;
  return {
    vendor: 'amd',
    name: product ?? `AMD GPU ${card.deviceId ?? ''}`.trim(),
    uuid: null,
    pciId: pciAddress(/^PCI_SLOT_NAME=(\S+)$/m.exec(card.uevent ?? '')?.[1]),
    memoryKind: kindOf(totalBytes),
    totalBytes,
    freeBytes: totalBytes === null || used === null ? null : Math.max(0, totalBytes - used),
    backend: 'vulkan',
    driverVersion: null,
    runtimeVersion: null,
    computeCapability: null,
    mig: null,
    source: 'sysfs',
  };
}
