import { execFileSync } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { ask, mediaChat, troublesOf, type Asked } from './asking.ts';
import { tinyPng } from './png.ts';
import type { Finding, Item } from './report.ts';
import type { Served } from './served.ts';
import type { World } from './world.ts';

/** Room for a few prepared images and slot files; then there is none. */
const MOUNT_MIB = 6;
/** Where slot files go, and what the store falls back to. */
const MEMORY = '/dev/shm';
const IMAGES = 4;
/** File systems can be mounted by whoever is root, at least in a namespace of his own. */
const UNSHARE = process.getuid?.() === 0 ? ['unshare', '--mount'] : ['unshare', '-r', '--mount'];
const NSENTER =
  process.getuid?.() === 0 ? ['nsenter', '-m'] : ['nsenter', '-U', '-m', '--preserve-credentials'];

/** Item 10: folders that cannot be written cost time, not requests, and it is counted. */
export async function noDisk(world: World): Promise<Item> {
  const findings = [await cannotBeMade(world)];
  if (!canMount()) {
    const details = [
      'File systems cannot be mounted here: a full and a read-only one were not tried.',
    ];
    return { id: '10', title: 'No room for the cache', findings, details };
  }
  findings.push(
    await onSmallDisk(
      world,
      'the disks of the cache and of the slot files are full (ENOSPC)',
      fill,
      0,
    ),
    await onSmallDisk(world, 'both become read-only (EROFS)', makeReadOnly, IMAGES),
  );
  return { id: '10', title: 'No room for the cache', findings };
}

async function cannotBeMade({ serve }: World): Promise<Finding> {
  const server = await serve({ flags: ['--cache-dir', '/dev/null/cache'] });
  try {
    const asked = await images(server, 0);
    return finding('the cache folder cannot be made', asked, await troublesOf(server.url), [
      'media_disk_open',
    ]);
  } finally {
    await server.stop();
  }
}

/** The server in a mount namespace of its own, where both folders are small; `spoil` makes them unusable. */
async function onSmallDisk(
  { serve, folder }: World,
  what: string,
  spoil: (pid: number, folders: readonly string[]) => void,
  imagesBefore: number,
): Promise<Finding> {
  const cache = folder();
  const mounts = [cache, MEMORY].map((at) => `mount -t tmpfs -o size=${MOUNT_MIB}m none ${at}`);
  const server = await serve({
    flags: ['--cache-dir', cache, '--slot-cache', `${MOUNT_MIB}MiB`],
    wrapper: [...UNSHARE, 'sh', '-c', `${mounts.join(' && ')} && exec "$@"`, 'sh'],
  });
  try {
    // The oldest make room on a full disk, where there are any.
    const before = await images(server, 0, imagesBefore);
    spoil(server.pid, [cache, MEMORY]);
    const after = await images(server, IMAGES);
    const expected = ['media_disk_write', 'slot_file_write'];
    return finding(what, [...before, ...after], await troublesOf(server.url), expected);
  } finally {
    await server.stop();
  }
}

function fill(pid: number, folders: readonly string[]): void {
  for (const folder of folders) {
    const file = `/proc/${pid}/root${folder}/filler`;
    writeFileSync(file, '');
    for (const bytes of [65_536, 512, 1]) {
      try {
        for (;;) appendFileSync(file, Buffer.alloc(bytes));
      } catch {
        // It is full for pieces of this size.
      }
    }
  }
}

function makeReadOnly(pid: number, folders: readonly string[]): void {
  for (const folder of folders) {
    const mount = ['mount', '-o', 'remount,ro', folder];
    execFileSync('env', [...NSENTER, '-t', String(pid), '--', ...mount]);
  }
}

function canMount(): boolean {
  try {
    const [unshare = '', ...args] = UNSHARE;
    execFileSync(unshare, [...args, 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function finding(
  what: string,
  asked: readonly Asked[],
  counted: readonly string[],
  expected: readonly string[],
): Finding {
  const answered = asked.filter(({ fate }) => fate === 'answered').length;
  return {
    what,
    found: `${answered} of ${asked.length} images answered; troubles counted: ${counted.join(', ') || 'none'}`,
    bar: `all answered; counted: ${expected.join(', ')}`,
    holds: answered === asked.length && expected.every((each) => counted.includes(each)),
  };
}

/** Images of some 100 KB each, two at a time so that a slot file is wanted. */
async function images({ url }: Served, from: number, count = IMAGES): Promise<Asked[]> {
  const asked: Asked[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const image = `data:image/png;base64,${tinyPng(seed, 300, 200).toString('base64')}`;
    asked.push(
      ...(await Promise.all([1, 2].map((top_k) => ask(url, mediaChat(image, { top_k }))))),
    );
  }
  return asked;
}
