import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, it } from 'vitest';
import type { PlanOptions } from '../../src/cli/requests/plan.ts';
import { toPlanRequest } from '../../src/cli/requests/plan.ts';
import type { DeploymentPlan } from '../../src/contracts/plan.ts';
import { folders } from '../../src/process/folders.ts';
import { makeRunFolder } from '../../src/simulate/run-folder.ts';
import { MIB } from '../../src/units.ts';
import type { Context } from '../../src/workflows/context.ts';
import { createContext } from '../../src/workflows/create-context.ts';
import { simulatedPlan } from '../../src/workflows/simulate.ts';
import { freshHome } from '../helpers/cli.ts';

const llamaServer = inject('llamaServer');

function context(extra: Partial<Context> = {}, server = llamaServer): Context {
  const env = {
    PATH: '/usr/bin:/bin',
    HOME: freshHome(),
    ...(server === null ? {} : { MMDEPLOY_LLAMA_SERVER: server }),
  };
  return createContext({ env, folders: folders(env), ...extra });
}

const request = (model: string, gpu: string[], options: Partial<PlanOptions> = {}) =>
  toPlanRequest(model, { output: 'table', gpu, ...options });
const simulations = (ctx: Context) => join(ctx.folders.cache, 'simulations');
const mibOf = (plan: DeploymentPlan, device: string, part: string) =>
  (plan.memory.devices.find(({ id }) => id === device)?.items.find((item) => item.part === part)
    ?.bytes ?? NaN) / MIB;

/** Command lines of all processes that have `text` in them. */
function commandsWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8')];
      } catch {
        return [];
      }
    })
    .filter((command) => command.includes(text));
}

describe('simulatedPlan', () => {
  it('without an engine: the plan by the formulas, and exit 5 with the command that helps', async () => {
    const { plan, failure } = await simulatedPlan(
      request('qwen2.5-vl-7b', ['24GiB']),
      context({}, '/nonexistent/llama-server'),
    );
    expect(plan.memory.devices[0]?.items[0]?.basis).toBe('profile');
    expect(failure?.exitCode).toBe(5);
    expect(failure?.hints.join()).toContain('`mmdeploy engine install');
  });

  it('refuses what llama.cpp does not run', async () => {
    await expect(simulatedPlan(request('gpt-4o', []), context())).rejects.toMatchObject({
      code: 'usage.invalid',
    });
  });
});

describe.skipIf(llamaServer === null)('simulatedPlan with the real engine', () => {
  it('replaces the formulas on unequal cards, and asks the engine once', async () => {
    const ctx = context();
    const asked = request('qwen2.5-vl-7b', ['8GiB', '24GiB'], {
      ...{ quant: 'Q4_K_M', context: '8192', slots: '2' },
    });
    const { plan, failure } = await simulatedPlan(asked, ctx);
    expect(failure).toBeNull();
    // A quarter of the layers goes to the smaller card.
    expect(mibOf(plan, 'gpu0', 'kv-cache') * 3).toBeLessThanOrEqual(
      mibOf(plan, 'gpu1', 'kv-cache') * 1.2,
    );
    for (const device of plan.memory.devices) {
      const bases = new Map(device.items.map(({ part, basis }) => [part, basis]));
      expect(bases.get('weights')).toBe('simulated');
      expect(bases.get('runtime')).toBe('assumed');
      expect(device.items.reduce((total, { bytes }) => total + bytes, 0)).toBe(
        device.afterLoadBytes,
      );
    }
    // The encoder on the first card, its masks on the host.
    expect(plan.memory.devices.map(({ peakBasis }) => peakBasis)).toEqual([
      ...['simulated', undefined, 'simulated'],
    ]);

    // The second time the kept figures are taken: these.
    const kept = readdirSync(simulations(ctx)).map((name) => join(simulations(ctx), name));
    expect(kept).toHaveLength(2);
    for (const file of kept) {
      const entry = JSON.parse(readFileSync(file, 'utf8'));
      if (entry.answer.gpus === undefined) entry.answer.device = 2000 * MIB;
      else entry.answer.gpus[0].compute = 999 * MIB;
      writeFileSync(file, JSON.stringify(entry));
    }
    const again = await simulatedPlan(asked, ctx);
    expect(mibOf(again.plan, 'gpu0', 'compute')).toBe(999);
    const [first] = again.plan.memory.devices;
    const growth = ((first?.peakBytes ?? NaN) - (first?.afterLoadBytes ?? NaN)) / MIB;
    expect(growth).toBeCloseTo(2000 - mibOf(again.plan, 'gpu0', 'encoder-compute'), 1);
    expect(again.plan.warnings.join('\n')).toMatch(
      /gpu0 encoder-compute at the largest image: 1\.95 GiB laid out by llama.cpp b\d+/,
    );
    expect(again.plan.warnings.join('\n')).toMatch(
      /gpu0 compute: 999 MiB laid out by llama.cpp b\d+/,
    );
  });

  it('needs no stand-in on a machine without a GPU', async () => {
    const { plan, failure } = await simulatedPlan(
      request('llava-1.5-7b', ['none'], { quant: 'Q4_K_M', context: '4096', slots: '1' }),
      context(),
    );
    expect(failure).toBeNull();
    expect(plan.memory.devices.map(({ id }) => id)).toEqual(['host']);
    expect(plan.memory.devices[0]?.items[0]).toMatchObject({ part: 'weights', basis: 'simulated' });
  });

  it('leaves no process and no file behind when it is interrupted', async () => {
    const interruption = new AbortController();
    const ctx = context({ signal: interruption.signal });
    // Two runs at once: the layout, and the largest image.
    const running = simulatedPlan(request('qwen2.5-vl-7b', ['80GiB']), ctx);
    const folder = simulations(ctx);
    await expect
      .poll(() => existsSync(folder) && readdirSync(folder).length > 1, { timeout: 20_000 })
      .toBe(true);
    interruption.abort();
    const { failure } = await running;
    expect(failure?.code).toBe('interrupted');
    expect(readdirSync(folder)).toEqual([]);
    expect(commandsWith(folder)).toEqual([]);
  });
});

/** The processes below `pid`, by the kernel's own list. */
function descendants(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name): [number, number][] => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        return [[Number(name), Number(/\) \S (\d+)/.exec(stat)?.[1])]];
      } catch {
        return [];
      }
    });
  const below = (parent: number): number[] =>
    parents.flatMap(([child, of]) => (of === parent ? [child, ...below(child)] : []));
  return below(pid);
}

/** Whether a process runs; one that nobody has collected yet does not. */
const runs = (pid: number) => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe.skipIf(llamaServer === null || process.platform !== 'linux')('kill -9', () => {
  it('takes engine and stand-ins along, and the next run removes the files', async () => {
    const home = freshHome();
    const env = { PATH: '/usr/bin:/bin', HOME: home, MMDEPLOY_LLAMA_SERVER: llamaServer ?? '' };
    const folder = join(folders(env).cache, 'simulations');
    const bin = fileURLToPath(new URL('../../bin/mmdeploy.js', import.meta.url));
    const argv = [bin, 'plan', 'internvl2-26b', '--gpu', '2x 80GiB', '--simulate'];
    const child = spawn(process.execPath, argv, { env, stdio: 'ignore' });
    // Until it is reaped, a killed process still has its number.
    const reaped = new Promise((resolve) => child.on('close', resolve));
    const pid = child.pid ?? 0;
    // The engine's own command line names the folder; a probe's does not.
    await expect
      .poll(() => commandsWith(folder).length, { timeout: 20_000, interval: 5 })
      .toBeGreaterThan(0);
    const left = descendants(pid);
    expect(left.length).toBeGreaterThanOrEqual(3);
    child.kill('SIGKILL');
    await reaped;
    await expect.poll(() => left.filter(runs), { timeout: 10_000 }).toEqual([]);
    expect(readdirSync(folder).filter((name) => name.startsWith('run-'))).toHaveLength(1);
    const { remove } = await makeRunFolder(folder);
    await remove();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('makeRunFolder', () => {
  it('removes what a killed run has left, and nothing else', async () => {
    const base = freshHome();
    // Above the largest pid that Linux gives.
    const dead = join(base, 'run-99999999-x');
    const alive = join(base, `run-${process.pid}-x`);
    for (const folder of [dead, alive]) mkdirSync(folder);
    const { path, remove } = await makeRunFolder(base);
    expect([existsSync(dead), existsSync(alive), existsSync(path)]).toEqual([false, true, true]);
    await remove();
    expect(existsSync(path)).toBe(false);
  });
});
