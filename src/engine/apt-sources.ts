import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunCommand } from '../process/run.ts';

/** An archive that the machine is configured to install Debian packages from. */
export type DebianSource = { readonly uri: string; readonly suites: readonly string[] };

const FORMAT = '$(ORIGIN)|$(LABEL)|$(REPO_URI)';

/**
 * Addresses of Debian's main archive as this machine's own apt knows them, best first: from its
 * downloaded lists, and from its source files while those are empty (a fresh container).
 */
export async function debianMirrors(
  run: RunCommand,
  env: NodeJS.ProcessEnv,
  etc = '/etc/apt',
): Promise<string[]> {
  const listed = await run('apt-get', ['indextargets', '--format', FORMAT], {
    timeoutMs: 20_000,
    env,
  });
  const known = listed.code === 0 ? mirrorsFromTargets(listed.stdout) : [];
  const written = known.length > 0 ? [] : mirrorsFromSources(await readSources(etc));
  return [...new Set([...known, ...written])];
}

/** Security and backports are other archives of the same origin: only the label `Debian` is meant. */
export function mirrorsFromTargets(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.split('|'))
    .filter(([origin, label]) => origin === 'Debian' && label === 'Debian')
    .map(([, , uri]) => (uri ?? '').trim())
    .filter((uri) => uri !== '');
}

/** Both formats of apt: `deb` lines and deb822 stanzas. */
export function parseSources(text: string): DebianSource[] {
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'));
  const oneLiners = lines.flatMap((line) => {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+\S/.exec(line);
    return match?.[1] === undefined || match[2] === undefined
      ? []
      : [{ uri: match[1], suites: [match[2]] }];
  });
  const stanzas = lines
    .join('\n')
    .split(/\n\s*\n/)
    .flatMap(fromStanza);
  return [...oneLiners, ...stanzas];
}

function fromStanza(stanza: string): DebianSource[] {
  const unfolded = stanza.replace(/\n[ \t]+/g, ' ');
  const field = (name: string) =>
    new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(unfolded)?.[1]?.trim().split(/\s+/) ?? [];
  const enabled = field('Enabled')[0]?.toLowerCase() !== 'no';
  if (!enabled || !field('Types').includes('deb')) return [];
  const suites = field('Suites');
  return field('URIs').map((uri) => ({ uri, suites }));
}

const DEBIAN_SUITE =
  /^(?:stable|testing|unstable|sid|oldstable|oldoldstable|bullseye|bookworm|trixie|forky|duke)$/;

/** Other vendors use Debian's suite names too: an address that ends in `/debian` comes first. */
export function mirrorsFromSources(sources: readonly DebianSource[]): string[] {
  const main = sources
    .filter(({ suites }) => suites.some((suite) => DEBIAN_SUITE.test(suite)))
    .filter(({ uri }) => !/^cdrom:/.test(uri))
    .map(({ uri }) => uri);
  const isDebian = (uri: string) => /\/debian\/?$|^mirror\+file:.*debian/.test(uri);
  return [...main.filter(isDebian), ...main.filter((uri) => !isDebian(uri))];
}

async function readSources(etc: string): Promise<DebianSource[]> {
  const folder = join(etc, 'sources.list.d');
  const names = await readdir(folder).catch(() => []);
  const files = [
    join(etc, 'sources.list'),
    ...names
      .filter((name) => /\.(list|sources)$/.test(name))
      .sort()
      .map((name) => join(folder, name)),
  ];
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  return texts.flatMap(parseSources);
}
