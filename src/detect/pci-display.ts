import type { Host } from './host.ts';

const DEVICES = '/sys/bus/pci/devices';
/** PCI base class of display controllers: VGA, 3D (data-centre cards) and others. */
const DISPLAY_CLASS = /^0x03/;

/**
 * False only where the kernel lists this machine's PCI devices and no display controller is among them,
 * so that lspci has none to name. Boards with a device tree (a Raspberry Pi) have GPUs that are on no
 * bus; other systems have no such list: there the answer is true.
 */
export async function mayHaveDisplay(host: Host): Promise<boolean> {
  if (host.platform !== 'linux') return true;
  const [devices, deviceTree] = await Promise.all([
    host.listFolder(DEVICES),
    host.listFolder('/proc/device-tree'),
  ]);
  if (devices.length === 0 || deviceTree.length > 0) return true;
  const classes = await Promise.all(
    devices.map((device) => host.readText(`${DEVICES}/${device}/class`)),
  );
  return classes.some((text) => text === null || DISPLAY_CLASS.test(text));
}
