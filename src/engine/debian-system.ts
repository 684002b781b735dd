import { readFile } from 'node:fs/promises';

/** Whether this system is Debian itself, whose archive keys the `debian` source needs. */
export async function isDebian(platform: NodeJS.Platform): Promise<boolean> {
  if (platform !== 'linux') return false;
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID="?debian"?$/m.test(text);
}
