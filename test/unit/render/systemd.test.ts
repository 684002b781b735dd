import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, inject, it } from 'vitest';
import type { EngineFound } from '../../../src/contracts/machine.ts';
import type { DeploymentPlan } from '../../../src/contracts/plan.ts';
import { runCommand } from '../../../src/process/run.ts';
import { hostArgs } from '../../../src/render/parts/host.ts';
import { unitWord } from '../../../src/render/parts/quote.ts';
import { systemdSecurity, systemdVerify } from '../../../src/validators/systemd.ts';
import { MACHINES, planFor, rendered } from '../../helpers/deployments.ts';
import { nastyPlan } from '../../helpers/nasty-names.ts';
import { temporaryFolder } from '../../helpers/serve-supervisor.ts';
import { readUnit } from '../../helpers/systemd.ts';
import { made, validatorContext } from '../../helpers/validators.ts';

type Options = Parameters<typeof rendered>[2];

async function unitOf(plan: DeploymentPlan, options: Options = {}) {
  const { files, text, deployment } = await rendered(plan, ['systemd'], options);
  const path = files.find(({ reader }) => reader === 'systemd')?.path ?? '';
  const unit = text(path);
  const values = (key: string) =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value);
  const file = join(temporaryFolder(), path);
  writeFileSync(file, unit);
  return { unit, values, file, deployment, text };
}

describe('the systemd unit', () => {
  it('opens the nodes of the cards of its plan and no others', async () => {
    const devices = async (gpus: readonly string[]) => {
      const { values } = await unitOf(await planFor({ model: 'llava-1.5-7b', gpus }));
      return {
        allow: values('DeviceAllow'),
        policy: values('DevicePolicy'),
        private: values('PrivateDevices'),
        groups: values('SupplementaryGroups'),
      };
    };
    const closed = { policy: ['closed'], private: [] };
    expect(await devices(MACHINES['one NVIDIA card'])).toEqual({
      ...closed,
      allow: ['char-nvidia* rwm'],
      groups: [],
    });
    expect(await devices(MACHINES.AMD)).toEqual({
      ...closed,
      allow: ['/dev/kfd rw', 'char-drm rw'],
      groups: ['video render'],
    });
    expect(await devices(['Arc A770 16GB'])).toEqual({
      ...closed,
      allow: ['char-drm rw'],
      groups: ['video render'],
    });
    expect(await devices(MACHINES.CPU)).toEqual({
      allow: [],
      policy: [],
      private: ['yes'],
      groups: [],
    });
  });

  it('has the modules of NVIDIA loaded before its devices are looked up by their names', async () => {
    const started = async (gpus: readonly string[]) => {
      const { values } = await unitOf(await planFor({ model: 'llava-1.5-7b', gpus }));
      const units = (key: string) => values(key).join(' ').split(' ');
      const wanted = units('Wants');
      expect(units('After')).toEqual(expect.arrayContaining(wanted));
      return wanted.filter((unit) => unit.startsWith('modprobe@'));
    };
    expect(await started(MACHINES['one NVIDIA card'])).toEqual([
      'modprobe@nvidia.service',
      'modprobe@nvidia_uvm.service',
    ]);
    expect(await started(MACHINES.CPU)).toEqual([]);
  });

  it('hides homes and temporary files, but for the folder of the model', async () => {
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
    const seen = async (modelsDir: string) => {
      const { values } = await unitOf(plan, { modelsDir });
      return [...values('ProtectHome'), ...values('BindReadOnlyPaths')];
    };
    expect(await seen('/srv/models')).toEqual(['yes']);
    expect(await seen('/home/kim/models')).toEqual(['tmpfs', '/home/kim/models']);
    expect(await seen('/homes/models')).toEqual(['yes']);
    expect(await seen('/var/tmp/models')).toEqual(['yes', '/var/tmp/models']);
  });

  it('talks to this machine only where only it is asked from there', async () => {
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
    const local = await unitOf(plan);
    expect(local.values('IPAddressDeny')).toEqual(['any']);
    const open = await unitOf(plan, { listen: { host: '0.0.0.0', port: 80 } });
    expect(open.values('IPAddressDeny')).toEqual([]);
    expect(open.values('AmbientCapabilities')).toEqual(['CAP_NET_BIND_SERVICE']);
    expect(open.values('ExecStartPost').join()).toContain(' http://127.0.0.1:80/health;');
  });

  it('has as long for its start as the files take, and is given up after five of them', async () => {
    const { values, deployment } = await unitOf(
      await planFor({ model: 'qwen2.5-vl-7b', gpus: ['none'] }),
    );
    expect(values('TimeoutStartSec')).toEqual([String(deployment.startSeconds)]);
    expect(Number(values('StartLimitIntervalSec')[0])).toBeGreaterThan(5 * deployment.startSeconds);
    expect(values('MemoryMax')).toEqual([`${deployment.memory.limitBytes / 2 ** 20}M`]);
  });

  it('runs the gateway on a plan of its own, and lets it end the engine', async () => {
    const { values, text, deployment } = await unitOf(
      await planFor({ model: 'llava-1.5-7b', gpus: ['none'] }),
      { shape: 'gateway', modelsDir: '/data' },
    );
    expect(values('ExecStart')).toEqual([
      '/usr/local/bin/mmdeploy serve --plan /etc/mmdeploy/llava-1-5-7b.plan.json' +
        ' --llama-server /usr/local/bin/llama-server --host 127.0.0.1 --port 8080' +
        ` --slot-cache ${deployment.memory.slotCacheMib}MiB --drain 30s --log -`,
    ]);
    expect(values('KillMode')).toEqual(['mixed']);
    expect(JSON.parse(text('plan.host.json'))).toMatchObject({
      files: { model: { path: expect.stringMatching(/^\/data\/llava-1.5-7b-\S+\.gguf$/) } },
    });
  });

  it('runs the engine that was found, if everyone may', async () => {
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
    const found = async (path: string) => {
      const known = { version: null, build: null, devices: [] };
      const engine: EngineFound = { name: 'llama.cpp', path, source: 'path', ...known };
      const machine = { ...plan.machine, origin: 'detected', engines: [engine] };
      const { values } = await unitOf({ ...plan, machine });
      return values('ExecStart')[0]?.split(' ')[0];
    };
    expect(await found('/usr/bin/llama-server')).toBe('/usr/bin/llama-server');
    expect(await found('/root/llama.cpp/llama-server')).toBe('/usr/local/bin/llama-server');
  });

  it('is refused where there is no systemd, and for paths that no unit can name', async () => {
    const apple = await planFor({ model: 'llava-1.5-7b', gpus: MACHINES.Apple });
    await expect(unitOf(apple)).rejects.toMatchObject({
      message: '`--target systemd`: systemd is there on Linux only',
      hints: [expect.stringContaining('llama-server')],
    });
    const plan = await planFor({ model: 'llava-1.5-7b', gpus: ['none'] });
    await expect(unitOf(plan, { modelsDir: '/srv/two\nlines' })).rejects.toMatchObject({
      message: '`--target systemd`: no unit can name the folder "/srv/two\\nlines"',
    });
  });
});

describe.skipIf(inject('validators')['systemd-analyze'] === null)('systemd', () => {
  const machines = Object.entries({ ...MACHINES, Intel: ['Arc A770 16GB'] });
  it.each(machines.filter(([name]) => name !== 'Apple'))(
    'takes the unit without a word and rates it at most 2.5: %s',
    async (_, gpus) => {
      const plan = await planFor({ model: 'llava-1.5-7b', gpus });
      for (const shape of ['engine', 'gateway'] as const) {
        const { file } = await unitOf(plan, { shape });
        const verified = made(await systemdVerify(file, validatorContext()));
        expect(verified).toMatchObject({ ok: true, findings: [] });
        const rated = made(await systemdSecurity(file, validatorContext()));
        expect(rated).toMatchObject({ ok: true, findings: [] });
      }
    },
  );

  it('reads what was meant, whatever is in the names', async () => {
    const plan = await nastyPlan();
    const { file, deployment } = await unitOf(plan);
    expect(made(await systemdVerify(file, validatorContext())).findings).toEqual([]);
    const { commands, values } = await readUnit(file);
    expect(commands).toContainEqual(['/usr/local/bin/llama-server', ...hostArgs(deployment)]);
    const folder = deployment.files[0]?.folder ?? '';
    expect(values('BindReadOnlyPaths')).toEqual([`${folder}:${folder}:rbind`]);
    expect(values('RequiresMountsFor')).toContain(`${folder} (origin-file)`);
    expect(values('AssertPathExists').sort()).toEqual(
      [plan.files.model, plan.files.mmproj].map((each) => `${each?.path} untested`).sort(),
    );
  });

  it('puts files into the place of their links, whatever is in the names', async () => {
    const plan = await nastyPlan();
    const folder = (await unitOf(plan)).deployment.files[0]?.folder ?? '';
    const links = [{ folder, name: 'a "b": %h.gguf', real: '/home/it is/aa:a \\' }];
    const { file } = await unitOf(plan, { links });
    expect(made(await systemdVerify(file, validatorContext())).findings).toEqual([]);
    const { values } = await readUnit(file);
    expect(values('BindReadOnlyPaths')).toEqual([
      `${links[0]?.real}:${folder}/${links[0]?.name}:rbind`,
    ]);
  });

  it('has started when it answers, and has failed as soon as its process is gone', async () => {
    const { file } = await unitOf(await planFor({ model: 'llava-1.5-7b', gpus: ['none'] }));
    const { commands } = await readUnit(file);
    const [shell = '', ...script] = commands.find(([program]) => program === '/bin/sh') ?? [];
    const ended = await runCommand('/bin/sh', ['-c', 'echo $$'], { timeoutMs: 5000 });
    const waits = async (MAINPID: string, curl: string | null) => {
      const folder = temporaryFolder();
      if (curl !== null) {
        writeFileSync(join(folder, 'curl'), `#!/bin/sh\n${curl}\n`, { mode: 0o755 });
      }
      const env = { MAINPID, PATH: folder };
      return (await runCommand(shell, script, { timeoutMs: 5000, env })).code;
    };
    const itself = String(process.pid);
    expect(
      await waits(itself, 'case "$*" in *" http://127.0.0.1:8080/health") ;; *) exit 22 ;; esac'),
    ).toBe(0);
    expect(await waits(ended.stdout.trim(), 'exit 7')).toBe(1);
    expect(await waits(ended.stdout.trim(), null)).toBe(0);
  });

  it('reads every word as it was, controls, quotes and expansions included', async () => {
    const letters = fc.constantFrom(
      ...('\n\t\r\u0001\u007f \\"\'`$%{}()[];&|<>*?!#~=:@-+,./aZ09éß✓😀'.match(/./gsu) ?? []),
    );
    const fuzz = fc.sample(fc.string({ unit: letters, maxLength: 12 }), { numRuns: 400, seed: 1 });
    const words = ['', ';', 'back\\', '$$', '${HOME}', '%h', '%%', '@x', '-x', '+x', '!x', ...fuzz];
    const file = join(temporaryFolder(), 'words.service');
    const line = ['/bin/true', ...words].map(unitWord).join(' ');
    writeFileSync(file, `[Service]\nExecStart=${line}\n`);
    expect((await readUnit(file)).commands).toEqual([['/bin/true', ...words]]);
  });
});
