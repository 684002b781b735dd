import type { EngineChoice, EngineInstallResult, EngineList } from '../contracts/engine.ts';
import type { EngineFound } from '../contracts/machine.ts';
import type { Palette } from './palette.ts';
import { textTable } from './text-table.ts';

export type EngineView = {
  readonly palette: Palette;
  /** Boxes around tables: for a terminal only. */
  readonly boxes: number | false;
  readonly quiet: boolean;
};

/** The engines of a machine as text, the chosen one marked and explained; quiet: only its path. */
export function enginesText(list: EngineList, view: EngineView): string {
  const { choice } = list;
  if (view.quiet) return choice.kind === 'none' ? '' : choice.engine.path;
  const lines: string[] = [];
  if (list.engines.length > 0) {
    const rows = list.engines.map((engine) => row(engine, choice));
    const head = ['', 'llama-server', 'version', 'build', 'devices', 'found by'];
    const align = ['left', 'left', 'left', 'right', 'left', 'left'] as const;
    lines.push(textTable({ head, rows, align }, view.boxes), '');
  }
  lines.push(verdict(choice, view.palette));
  for (const { path, reason } of list.unusable) {
    lines.push(view.palette.warn(`${path} cannot be used: ${reason}`));
  }
  return lines.join('\n');
}

const SOURCES = {
  flag: '--llama-server',
  env: 'MMDEPLOY_LLAMA_SERVER',
  path: 'PATH',
  managed: 'mmdeploy',
} as const;

function row(engine: EngineFound, choice: EngineChoice): string[] {
  const used = choice.kind !== 'none' && choice.engine.path === engine.path;
  return [
    used ? '*' : '',
    engine.path,
    engine.version ?? 'unknown',
    engine.build === null ? 'unknown' : String(engine.build),
    devicesText(engine),
    SOURCES[engine.source],
  ];
}

function devicesText({ devices }: EngineFound): string {
  if (devices.length === 0) return 'CPU only';
  return devices.map(({ id, name }) => `${id}: ${name}`).join(', ');
}

function verdict(choice: EngineChoice, palette: Palette): string {
  switch (choice.kind) {
    case 'ready':
      return `used: ${choice.engine.path} (${choice.why})`;
    case 'cpu-only':
      return palette.warn(
        `used: ${choice.engine.path}, but it does not show ${choice.gpus.join(', ')}: \`mmdeploy engine install\` gets one that does`,
      );
    case 'too-old':
      return palette.bad(
        `${choice.engine.path} is older than build ${choice.minBuild}: \`mmdeploy engine install --force\` gets a newer one`,
      );
    case 'none':
      return `${choice.why}: \`mmdeploy engine install\` gets one`;
  }
}

/** What an install did, in one or two lines; quiet: only the path. */
export function engineInstallText(result: EngineInstallResult, view: EngineView): string {
  if (view.quiet) return result.path;
  if (!result.installed) {
    return `${result.path} (${result.why})\n${view.palette.dim('`--force` installs another one')}`;
  }
  const what = [result.source, result.accelerator, result.release].filter((part) => part !== null);
  return `${view.palette.good('installed')} llama.cpp (${what.join(', ')}): ${result.path}`;
}
