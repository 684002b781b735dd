import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { complaint, linesOf, runTool, skippedWithout } from './context.ts';
import type { ValidatorContext } from './context.ts';
import { checked } from './report.ts';
import type { Report } from './report.ts';

/** The most that `systemd-analyze security` may say of a unit of ours, of 10. */
const MOST_EXPOSURE = 2.5;

const PLAIN = {
  SYSTEMD_COLORS: '0',
  SYSTEMD_EMOJI: '0',
  SYSTEMD_PAGER: '',
  SYSTEMD_LOG_TARGET: 'console',
};

/**
 * `systemd-analyze verify` on one unit file. An unknown key is only a warning to it, with exit code 0, so
 * whatever it says about this unit is a finding. That a program of the unit is not on this machine is a
 * note: the unit may be for another one.
 */
export async function systemdVerify(file: string, ctx: ValidatorContext): Promise<Report> {
  const tool = ctx.validators['systemd-analyze'];
  if (tool === null) return skippedWithout('systemd-analyze', 'systemd-analyze verify');
  const args = ['verify', '--man=no', '--recursive-errors=no', file];
  const result = await runTool(tool, args, ctx, PLAIN);
  const said = linesOf(result.stderr).filter((line) => isAbout(file, line));
  const [notes, findings] = parted(said, (line) => NOT_HERE.test(line));
  const unexplained = result.code !== 0 && said.length === 0 ? complaint(result) : [];
  const lost = unknownTargets(await readFile(file, 'utf8').catch(() => ''));
  const plain = (line: string) => line.replace(`${file}:`, '');
  return checked(
    `systemd-analyze ${tool.version} verify`,
    [...findings.map(plain), ...unexplained.map(plain), ...lost],
    notes,
  );
}

const NOT_HERE = /: Command \S+ is not executable: No such file or directory$/;

/** Those of systemd.special(7) that a service may be ordered by or wanted by. */
const TARGETS = new Set(
  [
    ...['basic', 'default', 'graphical', 'local-fs', 'multi-user', 'network', 'network-online'],
    ...['network-pre', 'nss-lookup', 'paths', 'remote-fs', 'shutdown', 'sockets', 'sysinit'],
    ...['time-set', 'time-sync', 'timers'],
  ].map((name) => `${name}.target`),
);

/** A target that is not there is no fault to systemd: nothing is waited for, or nobody ever starts the unit. */
function unknownTargets(text: string): string[] {
  const lines = text.matchAll(
    /^(After|Before|Wants|Requires|BindsTo|PartOf|WantedBy|RequiredBy)=(.*)$/gm,
  );
  return [...lines].flatMap(([, key = '', value = '']) =>
    value
      .split(/\s+/)
      .filter((name) => name.endsWith('.target') && !TARGETS.has(name))
      .map((name) => `${key}=${name}: systemd has no such target`),
  );
}

/** It loads what the unit names, too, and tells of other units' faults with their path or name first. */
function isAbout(file: string, line: string): boolean {
  const other = /^(\/\S+?|[\w@\\.-]+\.(?:service|target|socket|mount|slice|timer|path)):/.exec(
    line,
  );
  return other === null || other[1] === file || other[1] === basename(file);
}

function parted<T>(values: readonly T[], test: (value: T) => boolean): [T[], T[]] {
  return [values.filter(test), values.filter((value) => !test(value))];
}

/** The same for a unit that is not a file yet; `name` with its suffix, as in `llama.service`. */
export async function systemdVerifyText(
  name: string,
  text: string,
  ctx: ValidatorContext,
): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'mmdeploy-unit-'));
  try {
    const file = join(folder, name);
    await writeFile(file, text);
    return await systemdVerify(file, ctx);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** `systemd-analyze security` of one unit file, which need not be installed; `most` is of 10. */
export async function systemdSecurity(
  file: string,
  ctx: ValidatorContext,
  most: number = MOST_EXPOSURE,
): Promise<Report> {
  const tool = ctx.validators['systemd-analyze'];
  if (tool === null) return skippedWithout('systemd-analyze', 'systemd-analyze security');
  const validator = `systemd-analyze ${tool.version} security`;
  const args = ['security', '--no-pager', '--offline=true', file];
  const result = await runTool(tool, args, ctx, PLAIN);
  const overall = /Overall exposure level for [^:]*: (\d+(?:\.\d+)?)/.exec(result.stdout)?.[1];
  if (overall === undefined) return checked(validator, complaint(result));
  const within = Number(overall) <= most;
  return checked(validator, within ? [] : [`exposure ${overall}, at most ${most} is wanted`]);
}
