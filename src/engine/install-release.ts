import { rm } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MmdeployError } from '../errors.ts';
import { unpackArchive } from './archive.ts';
import type { ReleaseRecipe } from './catalogue.ts';
import { download, sha256Of } from './download.ts';
import type { DownloadTiming } from './download.ts';
import type { InstallContext } from './install-context.ts';
import { releaseDigests } from './release-digests.ts';
import { chooseReleaseFile, fill, tagOf } from './release-files.ts';
import type { ReleaseTarget } from './release-files.ts';
import { installStaged } from './staging.ts';
import type { StagedEngine } from './staging.ts';
import { findServer, moveLibraries } from './unpacked.ts';

export type ReleaseInstall = {
  readonly recipe: ReleaseRecipe;
  readonly target: ReleaseTarget;
  /** A build other than the catalogue's; null for that one. */
  readonly build: number | null;
  /** An archive at another address (`https:`, `http:` or `file:`). */
  readonly url: string | null;
  /** What the archive must hash to; null where the catalogue or the project's own list says. */
  readonly sha256: string | null;
  readonly force: boolean;
  readonly timing?: DownloadTiming;
};

type Archive = { readonly url: string; readonly sha256: string };
type Order = {
  readonly id: string;
  readonly release: string;
  readonly accelerator: string;
  readonly main: Archive;
  readonly companion: Archive | null;
};

/**
 * The official llama.cpp archive for this system and accelerator: resumable download, SHA-256 checked,
 * unpacked safely, renamed into place once `llama-server --version` answers. Throws `engine.install`,
 * `engine.download` when the server cannot be reached, `usage.invalid` for a `--url` without a sum.
 */
export async function installRelease(
  request: ReleaseInstall,
  ctx: InstallContext,
): Promise<StagedEngine> {
  const order =
    request.url === null ? await orderFrom(request, ctx) : orderOf(request, request.url);
  return installStaged(
    {
      id: order.id,
      force: request.force,
      build: async (staging) => {
        await addArchive(order.main, staging, request, ctx);
        const server = await findServer(staging, ctx.platform);
        if (server === null) {
          throw new MmdeployError(
            'engine.install',
            `${basename(order.main.url)} holds no llama-server`,
            { hints: ['give the address of a llama.cpp release archive with `--url`'] },
          );
        }
        if (order.companion !== null) {
          const aside = join(staging, '.companion');
          await addArchive(order.companion, aside, request, ctx);
          await moveLibraries(aside, dirname(server));
          await rm(aside, { recursive: true, force: true });
        }
        return {
          source: 'release',
          accelerator: order.accelerator,
          release: order.release,
          server: relative(staging, server).replaceAll('\\', '/'),
          url: order.main.url,
          sha256: order.main.sha256,
        };
      },
    },
    ctx,
  );
}

async function addArchive(
  archive: Archive,
  into: string,
  request: ReleaseInstall,
  ctx: InstallContext,
): Promise<void> {
  const url = new URL(archive.url);
  if (url.protocol === 'file:') {
    const file = fileURLToPath(url);
    const actual = await sha256Of(file);
    if (actual !== archive.sha256) {
      throw new MmdeployError('engine.install', `${file} has the wrong SHA-256`, {
        details: [`expected ${archive.sha256}`, `received ${actual}`],
        hints: [
          'fetch the archive again; if its publisher names the sum received, pass that: ' +
            `\`mmdeploy engine install release --url ${archive.url} --sha256 ${actual}\``,
        ],
      });
    }
    await unpackArchive(file, into, ctx);
    return;
  }
  // The sum in the name keeps two archives of one name apart between runs.
  const name = `${archive.sha256.slice(0, 12)}-${basename(url.pathname)}`;
  const file = join(ctx.folders.cache, 'downloads', name);
  const timing = request.timing === undefined ? {} : { timing: request.timing };
  await download({ ...archive, file, ...timing }, ctx);
  try {
    await unpackArchive(file, into, ctx);
  } finally {
    await rm(file, { force: true });
  }
}

async function orderFrom(request: ReleaseInstall, ctx: InstallContext): Promise<Order> {
  const { recipe, target } = request;
  const choice = chooseReleaseFile(recipe, target);
  if (choice.kind === 'none') {
    throw new MmdeployError('engine.install', choice.reason, {
      hints: ['`mmdeploy engine install release --accelerator cpu` runs everywhere'],
    });
  }
  const tag = tagOf(request.build ?? recipe.build);
  const { file, companion, cuda } = choice.file;
  const names = [file, ...(companion === undefined ? [] : [companion])].map((name) =>
    fill(name, { tag }),
  );
  const sums = await sumsOf(names, tag, request, ctx);
  const archives = names.map((name, index): Archive => {
    const url = fill(recipe.url, { tag, file: name });
    return { url, sha256: sums[index] ?? '' };
  });
  const accelerator = cuda === undefined ? target.accelerator : `${target.accelerator}-${cuda}`;
  const [main, extra] = archives;
  if (main === undefined) throw new TypeError('a release choice names at least one file');
  return {
    id: `release-${tag}-${accelerator}`,
    release: tag,
    accelerator: target.accelerator,
    main,
    companion: extra ?? null,
  };
}

/** From `--sha256`, the catalogue, or the project's own list of digests, in this order. */
async function sumsOf(
  names: readonly string[],
  tag: string,
  request: ReleaseInstall,
  ctx: InstallContext,
): Promise<string[]> {
  const known = names.map((name, index) =>
    index === 0 && request.sha256 !== null
      ? normalSum(request.sha256)
      : (request.recipe.sha256[name] ?? null),
  );
  const missing = names.filter((_, index) => known[index] === null);
  const listed = missing.length === 0 ? {} : await releaseDigests(request.recipe, tag, ctx);
  return names.map((name, index) => {
    const sum = known[index] ?? listed[name];
    if (sum !== undefined) return sum;
    throw new MmdeployError('engine.install', `no SHA-256 is known for ${name}`, {
      hints: ['give it with `--sha256 SUM`, as the release page shows it'],
    });
  });
}

function orderOf(request: ReleaseInstall, url: string): Order {
  if (!URL.canParse(url) || !/^(https?|file):$/.test(new URL(url).protocol)) {
    throw new MmdeployError('usage.invalid', `\`--url ${url}\` is not an address of an archive`, {
      hints: ['give an `https://…` or `file:///…` address that ends in `.tar.gz` or `.zip`'],
    });
  }
  const name = basename(new URL(url).pathname);
  const sum = request.sha256 ?? request.recipe.sha256[name];
  if (sum === undefined) {
    throw new MmdeployError(
      'usage.invalid',
      `\`--url\` needs \`--sha256\`: nothing else says what ${name} must be`,
      { hints: [`mmdeploy engine install release --url ${url} --sha256 SUM`] },
    );
  }
  const sha256 = normalSum(sum);
  const tag = /(?:^|-)(b\d+)-/.exec(name)?.[1] ?? `url-${sha256.slice(0, 12)}`;
  const { accelerator } = request.target;
  return {
    id: `release-${tag}-${accelerator}-${sha256.slice(0, 8)}`,
    release: tag,
    accelerator,
    main: { url, sha256 },
    companion: null,
  };
}

function normalSum(text: string): string {
  const sum = text.toLowerCase().replace(/^sha256:/, '');
  if (/^[0-9a-f]{64}$/.test(sum)) return sum;
  throw new MmdeployError('usage.invalid', `\`${text}\` is not a SHA-256: 64 hex digits`, {
    hints: ['`sha256sum FILE` prints it, and so does the page that the archive is fetched from'],
  });
}
