import { MmdeployError } from '../errors.ts';
import type { Gap } from '../match/media.ts';
import type { Context } from './context.ts';
import type { AbleModels } from './media-rules.ts';
import { profileFolders } from './model.ts';

const MOST_NAMED = 6;

/** The error for a workload that a model cannot see or hear, with models that can. */
export async function senseless({ needs, why }: Gap, ctx: Context): Promise<MmdeployError> {
  const models = await ableModels(ctx);
  const able = models[needs === 'audio' ? 'audio' : 'image'].map((id) => `\`${id}\``);
  const verb = needs === 'audio' ? 'hear' : 'see';
  const named = able.slice(0, MOST_NAMED).join(', ');
  return new MmdeployError('usage.invalid', why, {
    hints: [
      `models that ${verb}: ${named}${able.length > MOST_NAMED ? ' …' : ''}; \`mmdeploy models\` lists all`,
    ],
  });
}

/** Ids of the profiles that can be run here and see, and of those that hear. */
export async function ableModels(ctx: Context): Promise<AbleModels> {
  const { loadProfiles } = await import('../profiles/load.ts');
  const { profiles } = await loadProfiles(profileFolders(ctx, null));
  const able = (needs: 'image' | 'audio') =>
    profiles
      .filter(({ id, modalities, text }) => id !== 'demo' && modalities.includes(needs) && text)
      .map(({ id }) => id);
  return { image: able('image'), audio: able('audio') };
}
