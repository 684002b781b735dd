import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { MmdeployError } from '../../errors.ts';
import { TARGET_NAMES, targetIds } from '../../render/target-names.ts';
import type { DeployRequest } from '../../workflows/deploy.ts';
import { wholeNumber } from './values.ts';

/** Flags of `plan` that are about deployment files. */
export type DeployOptions = {
  readonly target?: string;
  readonly write?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly gateway?: boolean;
  readonly modelsDir?: string;
  readonly host?: string;
  readonly port?: string;
  readonly cdi?: boolean;
  readonly with?: string;
};

export type DeploymentWish = Pick<DeployRequest, 'targets' | 'options' | 'folder' | 'force'>;

/** What is to be written; null where no target is asked for. Throws `usage.invalid` naming the flag. */
export function toDeployment(
  options: DeployOptions,
  model: string | undefined,
): DeploymentWish | null {
  const { target, write, dryRun = false } = options;
  if (target === undefined) {
    refuseWithoutTarget(options);
    return null;
  }
  if (model === undefined) {
    throw new MmdeployError('usage.invalid', '`--target` needs a model', {
      hints: [`\`mmdeploy plan MODEL --target ${target}\`: \`mmdeploy models\` lists them`],
    });
  }
  if (write === undefined && !dryRun) {
    throw new MmdeployError('usage.invalid', '`--target` needs to know where to', {
      hints: [`write the files: \`--write DIR\``, 'or print them: `--dry-run`'],
    });
  }
  if (write === '') {
    throw new MmdeployError('usage.invalid', '`--write` names no folder', {
      hints: ['the current one is `--write .`, a new one `--write deploy/`'],
    });
  }
  return {
    targets: targetIds(target),
    folder: dryRun ? null : (write ?? null),
    force: options.force === true,
    options: {
      shape: options.gateway === true ? 'gateway' : 'engine',
      modelsDir: modelsDir(options.modelsDir),
      listen: {
        host: address(options.host ?? '127.0.0.1'),
        port: wholeNumber('--port', options.port, 1, 65_535) ?? 8080,
      },
      cdi: options.cdi === true,
      monitoring: withMonitoring(options.with),
    },
  };
}

const ALONE = [
  ['write', '--write'],
  ['dryRun', '--dry-run'],
  ['force', '--force'],
  ['gateway', '--gateway'],
  ['modelsDir', '--models-dir'],
  ['host', '--host'],
  ['port', '--port'],
  ['cdi', '--cdi'],
  ['with', '--with'],
] as const;

function refuseWithoutTarget(options: DeployOptions): void {
  const given = ALONE.find(([name]) => options[name] !== undefined);
  if (given === undefined) return;
  throw new MmdeployError('usage.invalid', `\`${given[1]}\` needs a \`--target\``, {
    hints: [`there are ${TARGET_NAMES.join(', ')}`],
  });
}

/** An address, because containers and services are told of one and resolve no names. */
function address(host: string): string {
  if (host === 'localhost') return '127.0.0.1';
  if (isIP(host) !== 0 && !host.includes('%')) return host;
  throw new MmdeployError('usage.invalid', `\`--host ${host}\` is no address`, {
    hints: ['for this machine only: `--host 127.0.0.1`; for every network: `--host 0.0.0.0`'],
  });
}

/** A path on the machine where it will run, which need not be this one. */
function modelsDir(value: string | undefined): string | null {
  if (value === undefined) return null;
  if (isAbsolute(value)) return value;
  throw new MmdeployError('usage.invalid', `\`--models-dir ${value}\` is no absolute path`, {
    hints: ['services have no current folder: `--models-dir /srv/models`'],
  });
}

function withMonitoring(value: string | undefined): boolean {
  if (value === undefined) return false;
  if (value === 'monitoring') return true;
  throw new MmdeployError('usage.invalid', `\`--with ${value}\`: there is \`monitoring\``, {
    hints: ['alert rules and a dashboard: `--with monitoring`'],
  });
}
