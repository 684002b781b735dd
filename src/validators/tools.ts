import { join } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

/** A program that reads what we write, and how to find out whether it will do. */
export type ToolRecipe = {
  /** Names on PATH. */
  readonly names: readonly string[];
  /** Where packages put it outside of PATH. */
  readonly elsewhere: (env: Env) => readonly string[];
  readonly versionArgs: readonly string[];
  readonly version: RegExp;
  /** Older ones read less than we write, or say less about it. */
  readonly least: readonly number[];
  /** What a person installs to have it. */
  readonly packageName: string;
};

const PLUGIN_FOLDERS = [
  '/usr/libexec/docker/cli-plugins',
  '/usr/lib/docker/cli-plugins',
  '/usr/local/libexec/docker/cli-plugins',
  '/usr/local/lib/docker/cli-plugins',
];

export const TOOLS = {
  'docker-compose': {
    names: ['docker-compose'],
    elsewhere: (env) =>
      [...PLUGIN_FOLDERS, join(env['HOME'] ?? '/nonexistent', '.docker/cli-plugins')].map(
        (folder) => join(folder, 'docker-compose'),
      ),
    versionArgs: ['version', '--short'],
    version: /^v?(\d\S*)/,
    // `start_interval` of a health check; the first generation, in Python, has other rules.
    least: [2, 20, 2],
    packageName: 'docker-compose',
  },
  quadlet: {
    names: [],
    elsewhere: () => [
      '/usr/libexec/podman/quadlet',
      '/usr/lib/podman/quadlet',
      '/usr/local/libexec/podman/quadlet',
    ],
    versionArgs: ['-version'],
    version: /^(\d\S*)/,
    // `Notify=healthy`.
    least: [5],
    packageName: 'podman',
  },
  promtool: {
    names: ['promtool'],
    elsewhere: () => [],
    versionArgs: ['--version'],
    version: /version (\d\S*)/,
    least: [2, 40],
    packageName: 'prometheus',
  },
  shellcheck: {
    names: ['shellcheck'],
    elsewhere: () => [],
    versionArgs: ['--version'],
    version: /^version: (\d\S*)/m,
    least: [0, 8],
    packageName: 'shellcheck',
  },
  'systemd-analyze': {
    names: ['systemd-analyze'],
    elsewhere: () => [],
    versionArgs: ['--version'],
    version: /^systemd (\d\S*)/,
    // `--offline` and `--recursive-errors`.
    least: [250],
    packageName: 'systemd',
  },
} as const satisfies Record<string, ToolRecipe>;

export type ToolName = keyof typeof TOOLS;

export const TOOL_NAMES = Object.keys(TOOLS) as readonly ToolName[];

export type FoundTool = {
  readonly name: string;
  readonly path: string;
  readonly version: string;
  /** `private`: installed by mmdeploy in its own cache. */
  readonly source: 'system' | 'private';
};

/** What there is on this machine; null where there is none that will do. */
export type Validators = Readonly<Record<ToolName, FoundTool | null>> & {
  /** Kubernetes' own description of its objects: a folder, with the version of k8s.io/api. */
  readonly 'kubernetes-api': FoundTool | null;
};

/** Whether `version` (`2.40.3-3`, `252`) is at least `least`. */
export function atLeast(version: string, least: readonly number[]): boolean {
  const numbers = (/^[\d.]+/.exec(version)?.[0] ?? '').split('.').map(Number);
  for (const [index, wanted] of least.entries()) {
    const found = numbers[index] ?? 0;
    if (found !== wanted) return found > wanted;
  }
  return true;
}
