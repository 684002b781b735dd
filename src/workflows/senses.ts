import { MmdeployError } from '../errors.ts';
import type { Gap } from '../match/media.ts';
import type { Context } from './context.ts';
import { profileFolders } from './model.ts';

const MOST_NAMED = 6;

/** The error for a workload that a model cannot see or hear, with models that can. */
export async function senseless({ needs, why }: Gap, ctx: Context): Promise<MmdeployError> {
  const { loadProfiles } = await import('../profiles/load.ts');
  const { profiles } = await loadProfiles(profileFolders(ctx, null));
  const able = profiles
    .filter(({ id, modalities, text }) => id !== 'demo' && modalities.includes(needs) && text)
    .map(({ id }) => `\`${id}\``);
  const verb = needs === 'audio' ? 'hear' : 'see';
  const named = able.slice(0, MOST_NAMED).join(', ');
  return new MmdeployError('usage.invalid', why, {
    hints: [
      `models that ${verb}: ${named}${able.length > MOST_NAMED ? ' …' : ''}; \`mmdeploy models\` lists all`,
    ],
  });
}
