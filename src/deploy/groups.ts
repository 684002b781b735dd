import { readFile } from 'node:fs/promises';
import type { Deployment } from '../render/types.ts';

/** Numbers of the groups that may open this machine's GPUs; null where it has not both. */
export async function gpuGroups(file = '/etc/group'): Promise<Deployment['groups']> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const video = numberOf(text, 'video');
  const render = numberOf(text, 'render');
  return video === null || render === null ? null : { video, render };
}

function numberOf(text: string, group: string): number | null {
  const found = new RegExp(`^${group}:[^:]*:(\\d+):`, 'm').exec(text)?.[1];
  return found === undefined ? null : Number(found);
}
