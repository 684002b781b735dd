import { posix } from 'node:path';
import type { Host } from './host.ts';

/** What the control groups of this process leave of the machine; null where they set no limit. */
export type Limits = {
  readonly memoryBytes: number | null;
  /** Of the limit, what is used and cannot be given back. */
  readonly memoryUsedBytes: number | null;
  /** CPU time as a number of cores, fractions allowed. */
  readonly cores: number | null;
};

const NO_LIMITS: Limits = { memoryBytes: null, memoryUsedBytes: null, cores: null };

const ROOT = '/sys/fs/cgroup';

/** Reads cgroup version 2 and, where the memory or cpu controller is still there, version 1. */
export async function readLimits(host: Host): Promise<Limits> {
  if (host.platform !== 'linux') return NO_LIMITS;
  const groups = parseGroups((await host.readText('/proc/self/cgroup')) ?? '');
  const [memory, cores] = await Promise.all([memoryLimit(host, groups), cpuLimit(host, groups)]);
  return { ...memory, cores };
}

type Groups = {
  /** Path in the unified (version 2) hierarchy. */
  readonly unified: string | null;
  /** Path by version 1 controller. */
  readonly byController: ReadonlyMap<string, string>;
};

/** `/proc/self/cgroup`: `0::/a/b` for version 2, `4:memory:/a` for version 1. */
function parseGroups(text: string): Groups {
  let unified: string | null = null;
  const byController = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line.trim());
    if (match === null) continue;
    const [, controllers = '', path = '/'] = match;
    if (controllers === '') unified = path;
    else for (const controller of controllers.split(',')) byController.set(controller, path);
  }
  return { unified, byController };
}

/** `/a/b` to `/a/b`, `/a`, `/`: a limit of any parent holds too. A path out of our view is its root. */
function upwards(path: string): string[] {
  const inside = path.startsWith('/..') ? '/' : posix.normalize(path);
  const parts = inside.split('/').filter((part) => part !== '');
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`).concat('/');
}

type MemoryLimit = Pick<Limits, 'memoryBytes' | 'memoryUsedBytes'>;

async function memoryLimit(host: Host, groups: Groups): Promise<MemoryLimit> {
  const folders = [
    ...foldersOf(ROOT, groups.unified),
    ...foldersOf(`${ROOT}/memory`, groups.byController.get('memory') ?? null),
  ];
  const found = await Promise.all(
    folders.map(async (folder) => {
      const limit =
        parseLimit(await host.readText(`${folder}/memory.max`)) ??
        parseLimit(await host.readText(`${folder}/memory.limit_in_bytes`));
      return limit === null ? null : { folder, limit };
    }),
  );
  const least = found.filter((entry) => entry !== null).sort((a, b) => a.limit - b.limit)[0];
  if (least === undefined) return { memoryBytes: null, memoryUsedBytes: null };
  const current =
    parseLimit(await host.readText(`${least.folder}/memory.current`)) ??
    parseLimit(await host.readText(`${least.folder}/memory.usage_in_bytes`));
  const stat = (await host.readText(`${least.folder}/memory.stat`)) ?? '';
  // File pages that were not used lately are given back on demand.
  const cache = Number(/^(?:total_)?inactive_file (\d+)$/m.exec(stat)?.[1] ?? 0);
  const used = current === null ? null : Math.max(0, current - cache);
  return { memoryBytes: least.limit, memoryUsedBytes: used };
}

async function cpuLimit(host: Host, groups: Groups): Promise<number | null> {
  const v1 = groups.byController.get('cpu') ?? null;
  const unified = foldersOf(ROOT, groups.unified).map(async (folder) =>
    parseCpuMax(await host.readText(`${folder}/cpu.max`)),
  );
  const older = ['cpu,cpuacct', 'cpu'].flatMap((mount) =>
    foldersOf(`${ROOT}/${mount}`, v1).map(async (folder) =>
      quotaCores(
        await host.readText(`${folder}/cpu.cfs_quota_us`),
        await host.readText(`${folder}/cpu.cfs_period_us`),
      ),
    ),
  );
  const cores = (await Promise.all([...unified, ...older])).filter((value) => value !== null);
  return cores.length === 0 ? null : Math.min(...cores);
}

const foldersOf = (mount: string, path: string | null) =>
  path === null ? [] : upwards(path).map((group) => posix.join(mount, group));

/**
 * A byte limit or counter; null for `max` and for a file that is not there. Version 1 writes its "no
 * limit" as the largest page-aligned 63-bit number, which is above any machine's memory.
 */
function parseLimit(text: string | null): number | null {
  return text === null || !/^\d+\s*$/.test(text) ? null : Number(text);
}

/** `cpu.max`: `150000 100000` is one and a half cores; `max 100000` is no limit. */
function parseCpuMax(text: string | null): number | null {
  const [quota, period] = (text ?? '').trim().split(/\s+/);
  return quotaCores(quota ?? null, period ?? null);
}

function quotaCores(quota: string | null, period: string | null): number | null {
  const [most, every] = [parseLimit(quota), parseLimit(period)];
  return most === null || every === null || every === 0 ? null : most / every;
}
