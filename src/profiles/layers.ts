import { MmdeployError, nearest } from '../errors.ts';
import type { ModelFamily, ModelVariant } from './schema.ts';

/** One model of a family, with the file that told it. */
export type Profile = ModelVariant & {
  readonly family: string;
  readonly familyTitle: string;
  readonly file: string;
};

/** Families of one folder; `title` names the folder to the user. */
export type ProfileLayer = {
  readonly title: string;
  readonly files: readonly { readonly file: string; readonly family: ModelFamily }[];
};

export type ProfileSet = {
  readonly profiles: readonly Profile[];
  /** One line for each profile of an earlier folder that a later one replaced. */
  readonly notices: readonly string[];
};

/**
 * Lays folders over each other: a later profile replaces an earlier one of the same id. Throws
 * `profile.invalid` when one name would mean two models.
 */
export function mergeLayers(layers: readonly ProfileLayer[]): ProfileSet {
  const byId = new Map<string, Profile>();
  const notices: string[] = [];
  for (const layer of layers) {
    const added = profilesOf(layer);
    refuseDuplicates(added);
    for (const profile of added) {
      const replaced = byId.get(profile.id);
      if (replaced) {
        notices.push(`profile \`${profile.id}\` of ${profile.file} replaces ${replaced.file}`);
      }
      byId.set(profile.id, profile);
    }
  }
  const profiles = [...byId.values()];
  refuseDuplicates(profiles);
  return { profiles, notices };
}

function profilesOf(layer: ProfileLayer): Profile[] {
  return layer.files.flatMap(({ file, family }) =>
    family.variants.map((variant) => ({
      ...variant,
      family: family.family,
      familyTitle: family.title,
      file,
    })),
  );
}

function refuseDuplicates(profiles: readonly Profile[]): void {
  const owners = new Map<string, Profile>();
  for (const profile of profiles) {
    for (const name of [profile.id, ...profile.aliases]) {
      const owner = owners.get(name);
      if (owner) throw duplicate(name, owner, profile);
      owners.set(name, profile);
    }
  }
}

function duplicate(name: string, first: Profile, second: Profile): MmdeployError {
  const where = first.file === second.file ? first.file : `${first.file} and ${second.file}`;
  return new MmdeployError(
    'profile.invalid',
    `the name \`${name}\` is taken twice: by \`${first.id}\` and \`${second.id}\` (${where})`,
    { hints: ['rename one of them; `mmdeploy models` lists every name that is taken'] },
  );
}

/** The profile whose id or alias is `name`, in any case. Throws `usage.unknown-model`. */
export function findModel(profiles: readonly Profile[], name: string): Profile {
  const wanted = name.trim().toLowerCase();
  const found = profiles.find(({ id, aliases }) => id === wanted || aliases.includes(wanted));
  if (found) return found;
  const near = nearest(
    wanted,
    profiles.flatMap(({ id, aliases }) => [id, ...aliases]),
  );
  throw new MmdeployError('usage.unknown-model', `unknown model \`${name}\``, {
    hints: [
      ...(near.length === 0 ? [] : [`did you mean ${near.map((n) => `\`${n}\``).join(', ')}?`]),
      'list every model with `mmdeploy models`',
    ],
  });
}
