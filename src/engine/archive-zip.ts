import { lstat, readlink } from 'node:fs/promises';
import { basename, dirname, relative, resolve, sep } from 'node:path';
import { MmdeployError } from '../errors.ts';
import { escapes, MAX_ENTRIES, refused } from './archive-rules.ts';
import { interrupted, lastLines } from './install-context.ts';
import type { InstallContext } from './install-context.ts';
import { walk } from './unpacked.ts';

type ZipTool = {
  readonly program: string;
  readonly names: (file: string) => string[];
  readonly unpack: (file: string, into: string) => string[];
};

/** Windows' own `tar` reads zip; elsewhere `unzip` or libarchive's tar does. */
const ZIP_TOOLS: readonly ZipTool[] = [
  {
    program: 'unzip',
    names: (file) => ['-Z1', file],
    unpack: (file, into) => ['-q', '-o', file, '-d', into],
  },
  {
    program: 'bsdtar',
    names: (file) => ['-tf', file],
    unpack: (file, into) => ['-xf', file, '-C', into],
  },
];
const WINDOWS_TAR: ZipTool = {
  program: 'tar',
  names: (file) => ['-tf', file],
  unpack: (file, into) => ['-xf', file, '-C', into],
};

/** `unpackArchive` of a zip, by a program of the system. */
export async function unpackZip(file: string, into: string, ctx: InstallContext): Promise<void> {
  const tools = ctx.platform === 'win32' ? [WINDOWS_TAR] : ZIP_TOOLS;
  const options = { timeoutMs: 10 * 60_000, env: ctx.env, signal: ctx.signal };
  for (const tool of tools) {
    const listed = await ctx.run(tool.program, tool.names(file), options);
    if (listed.outcome === 'not-found') continue;
    if (listed.outcome === 'aborted') throw interrupted();
    if (listed.code !== 0) throw refused(file, `it is damaged: ${lastLines(listed, 1).join('')}`);
    const names = listed.stdout.split(/\r?\n/).filter((name) => name !== '');
    const outside = names.find((name) => escapes(name.replaceAll('\\', '/')));
    if (outside !== undefined)
      throw refused(file, `it names a path outside its folder: ${outside}`);
    if (names.length > MAX_ENTRIES) throw refused(file, 'it unpacks to too much');
    const unpacked = await ctx.run(tool.program, tool.unpack(file, into), options);
    if (unpacked.outcome === 'aborted') throw interrupted();
    if (unpacked.code !== 0) throw refused(file, lastLines(unpacked, 1).join(''));
    await refuseOutsideLinks(file, into);
    return;
  }
  throw new MmdeployError('tool.missing', `a program that unpacks ${basename(file)} is missing`, {
    hints: [`install \`${tools[0]?.program ?? 'unzip'}\` and run the command again`],
  });
}

async function refuseOutsideLinks(file: string, root: string): Promise<void> {
  for (const path of await walk(root)) {
    if (!(await lstat(path)).isSymbolicLink()) continue;
    const target = resolve(dirname(path), await readlink(path));
    if (target !== root && !target.startsWith(root + sep)) {
      throw refused(file, `it links outside its folder: ${relative(root, path)}`);
    }
  }
}
