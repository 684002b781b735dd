import { request } from 'undici';
import { z } from 'zod';
import { messageOf, MmdeployError } from '../errors.ts';
import type { ReleaseRecipe } from './catalogue.ts';
import { DOWNLOAD_TIMING, downloadDispatcher } from './download.ts';
import { stopIfAborted } from './install-context.ts';
import type { InstallContext } from './install-context.ts';
import { fill } from './release-files.ts';

const answerSchema = z.object({
  assets: z.array(z.object({ name: z.string(), digest: z.string().nullish() })),
});

/** SHA-256 by file name of the release `tag`, as its publisher lists them. Throws `engine.download`. */
export async function releaseDigests(
  recipe: ReleaseRecipe,
  tag: string,
  ctx: InstallContext,
): Promise<Readonly<Record<string, string>>> {
  const url = fill(recipe.digests, { tag });
  const dispatcher = downloadDispatcher(ctx.env, DOWNLOAD_TIMING);
  const hints = ['Give the sum of the archive yourself: `--sha256 SUM`'];
  try {
    const response = await request(url, {
      dispatcher,
      signal: ctx.signal,
      headers: { 'user-agent': 'mmdeploy', accept: 'application/json' },
    });
    if (response.statusCode === 404) {
      throw new MmdeployError('engine.install', `llama.cpp has no release \`${tag}\``, {
        hints: [`the pinned one works: \`mmdeploy engine install release\` (b${recipe.build})`],
      });
    }
    if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}`);
    const { assets } = answerSchema.parse(await response.body.json());
    const sums = assets.map(({ name, digest }): [string, string | undefined] => [
      name,
      /^sha256:([0-9a-f]{64})$/.exec(digest ?? '')?.[1],
    ]);
    return Object.fromEntries(
      sums.filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
  } catch (error) {
    stopIfAborted(ctx.signal);
    if (error instanceof MmdeployError) throw error;
    throw new MmdeployError('engine.download', `cannot read ${url}: ${messageOf(error)}`, {
      hints,
    });
  } finally {
    await dispatcher.destroy();
  }
}
