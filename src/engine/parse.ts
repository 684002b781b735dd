/** Readers of what llama-server prints about itself. Text in, values out. */

export type EngineVersion = {
  /** `0.7.0`, or `b4567` for builds that only count; null when the build does not know. */
  readonly version: string | null;
  readonly build: number | null;
};

export type EngineDevice = {
  readonly id: string;
  readonly name: string;
  readonly totalMib: number | null;
};

const COUNTED = /^version: (\d+) \([^)\n]*\)\s*$/m;
const NAMED = /^version: (\S+) \(build (\d+)\b[^)\n]*\)\s*$/m;

/**
 * `--version`, in both spellings: `version: 4567 (0abc123)` and, since llama.cpp has version numbers,
 * `version: 0.7.0 (build 11669, commit …)`. A build without git history says 0: that is unknown (null).
 * Null when the text is not llama.cpp's.
 */
export function parseVersion(text: string): EngineVersion | null {
  const named = NAMED.exec(text);
  if (named !== null) {
    return { version: named[1] ?? null, build: knownBuild(Number(named[2])) };
  }
  const counted = COUNTED.exec(text);
  if (counted === null) return null;
  const build = knownBuild(Number(counted[1]));
  return { version: build === null ? null : `b${build}`, build };
}

function knownBuild(build: number): number | null {
  return Number.isSafeInteger(build) && build > 0 ? build : null;
}

// Ids may hold brackets and colons (`RPC[10.0.0.2:50052]`), names may hold round brackets
// (`AMD Radeon RX 7900 XTX (RADV NAVI31)`): the sizes are the last bracket of the line.
const DEVICE = /^\s+(\S+): (.+?)(?: \((\d+) MiB, \d+ MiB free\))?\s*$/;

/** `--list-devices`: the indented lines below `Available devices:`; empty for `(none)`. */
export function parseDevices(text: string): EngineDevice[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith('Available devices:'));
  if (start < 0) return [];
  const devices: EngineDevice[] = [];
  for (const line of lines.slice(start + 1)) {
    const match = DEVICE.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    const totalMib = match[3] === undefined ? null : Number(match[3]);
    devices.push({ id: match[1], name: match[2], totalMib });
  }
  return devices;
}

/**
 * Every flag that `--help` names, aliases and `--no-…` forms included. Flags that the build only keeps
 * to say that they are gone ("the argument has been removed") are left out.
 */
export function parseFlags(help: string): string[] {
  const flags = new Set<string>();
  const lines = help.split('\n');
  lines.forEach((line, index) => {
    if (!line.startsWith('-') || line.startsWith('-----')) return;
    // Aliases are padded into columns after their comma; the description follows the first other gap.
    const [names = ''] = line.replace(/,\s+/g, ', ').split(/\s{2,}/);
    const next = lines[index + 1] ?? '';
    const description = line.slice(names.length) + (next.startsWith(' ') ? next : '');
    if (description.includes('argument has been removed')) return;
    for (const [, flag] of names.matchAll(/(?:^|,\s?)(--?[A-Za-z][\w.-]*)/g)) {
      if (flag !== undefined) flags.add(flag);
    }
  });
  return [...flags].sort();
}
