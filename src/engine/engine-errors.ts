import type { EngineChoice, UnusableEngine } from '../contracts/engine.ts';
import type { EngineFound } from '../contracts/machine.ts';
import { MmdeployError } from '../errors.ts';

export function archiveOptions(): MmdeployError {
  return new MmdeployError(
    'usage.invalid',
    '`--url`, `--sha256` and `--build` choose a release archive: they do not go with `debian`',
    { hints: ['`mmdeploy engine install release …` takes them'] },
  );
}

const INSTALL_HINTS = [
  'install one: `mmdeploy engine install`',
  'or name one: `--llama-server FILE`, or `export MMDEPLOY_LLAMA_SERVER=FILE`',
];

export function notFound(unusable: readonly UnusableEngine[]): MmdeployError {
  return new MmdeployError('engine.not-found', 'no llama-server was found', {
    hints: INSTALL_HINTS,
    details: unusable.map(({ path, reason }) => `${path} cannot be used: ${reason}`),
  });
}

export function brokenEngine(engine: UnusableEngine): MmdeployError {
  const by = {
    flag: '--llama-server',
    env: 'MMDEPLOY_LLAMA_SERVER',
    path: 'PATH',
    managed: 'mmdeploy',
  };
  return new MmdeployError(
    'engine.not-found',
    `${engine.path} (from ${by[engine.source]}) cannot be used: ${engine.reason}`,
    { hints: INSTALL_HINTS },
  );
}

export function tooOld(choice: Extract<EngineChoice, { kind: 'too-old' }>): MmdeployError {
  const { engine, minBuild } = choice;
  return new MmdeployError(
    'engine.too-old',
    `${engine.path} is build ${engine.build ?? 'unknown'}; mmdeploy needs ${minBuild} or newer`,
    { hints: ['install a newer one: `mmdeploy engine install --force`'] },
  );
}

export function lacksFlags(engine: EngineFound, missing: readonly string[]): MmdeployError {
  return new MmdeployError(
    'engine.too-old',
    `${engine.path} does not know ${missing.map((flag) => `\`${flag}\``).join(', ')}`,
    { hints: ['install a newer one: `mmdeploy engine install --force`'] },
  );
}
