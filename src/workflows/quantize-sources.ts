import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { QuantizeRole } from '../contracts/quantize.ts';
import { MmdeployError } from '../errors.ts';
import { FLOAT_FORMATS, QUANT_ORDER } from '../match/formats.ts';
import { hubFile, ownFileName } from '../plan/files.ts';
import type { Profile } from '../profiles/layers.ts';
import { findModel } from '../profiles/layers.ts';
import type { Context } from './context.ts';
import type { GgufPair } from './gguf-pair.ts';
import { madeName, readGgufPair } from './gguf-pair.ts';
import { namesFile, profileFolders } from './model.ts';

export type SourceRequest = {
  /** A profile id, or the path of a GGUF file. */
  readonly name: string;
  readonly mmproj: string | null;
  readonly profilesDir: string | null;
  /** What is to be made: of these an unquantised file is looked for. */
  readonly roles: readonly QuantizeRole[];
};

export type QuantizeSources = {
  readonly pair: GgufPair;
  /** The name under which `plan` looks for the new file. */
  readonly outputName: (role: QuantizeRole, format: string) => string;
  /** What the profile has to say of the model, for example of an encoder that rounding harms. */
  readonly caveats: readonly string[];
};

const PART = { weights: 'model', encoder: 'mmproj' } as const;

/**
 * The files to make others from. A profile's are looked for in `MODELS_DIR`, where the commands that
 * `plan` prints expect them, and in the working folder. Throws `file.missing` with what to fetch,
 * `usage.unknown-model`, `gguf.*`, `model.mismatch`.
 */
export async function quantizeSources(
  request: SourceRequest,
  ctx: Context,
): Promise<QuantizeSources> {
  const { name, mmproj, profilesDir } = request;
  if (await namesFile({ name, mmproj, profilesDir }, ctx)) {
    const pair = readGgufPair(resolve(ctx.cwd, name), mmproj, ctx);
    return {
      pair,
      caveats: [],
      outputName: (role, format) =>
        madeName(role === 'encoder' ? (pair.mmproj ?? pair.model) : pair.model, format),
    };
  }
  const { loadProfiles } = await import('../profiles/load.ts');
  const { profiles } = await loadProfiles(profileFolders(ctx, profilesDir));
  const profile = findModel(profiles, name);
  if (!profile.engines.includes('llama.cpp')) throw notLlamaCpp(profile);
  return {
    pair: profilePair(profile, request, ctx),
    caveats: profile.caveats,
    outputName: (role, format) => ownFileName(profile.id, PART[role], format),
  };
}

function profilePair(profile: Profile, { mmproj, roles }: SourceRequest, ctx: Context): GgufPair {
  const sees = profile.vision !== undefined || profile.audio !== undefined;
  // To see that a projector works, any file of its language model will do.
  const anyQuant = [...FLOAT_FORMATS, ...QUANT_ORDER];
  const model = found(
    profile,
    'weights',
    roles.includes('weights') ? FLOAT_FORMATS : anyQuant,
    ctx,
  );
  const formats = roles.includes('encoder') ? FLOAT_FORMATS : [...FLOAT_FORMATS, 'Q8_0'];
  const projector =
    mmproj !== null ? resolve(ctx.cwd, mmproj) : found(profile, 'encoder', formats, ctx);
  const needed: QuantizeRole[] = [
    ...(model === null ? ['weights' as const] : []),
    ...(sees && projector === null ? ['encoder' as const] : []),
  ];
  if (model === null || needed.length > 0) throw absent(profile, needed, roles);
  return readGgufPair(model, projector, ctx);
}

/** The first file of these formats that is here, under its published name or that of a plan. */
function found(
  { id, files }: Profile,
  role: QuantizeRole,
  formats: readonly string[],
  { env, cwd }: Context,
): string | null {
  const published = role === 'encoder' ? files?.mmproj : files?.model;
  const folders = [env['MODELS_DIR'], cwd].flatMap((folder) =>
    folder === undefined || folder === '' ? [] : [resolve(cwd, folder)],
  );
  const names = formats.flatMap((format) => {
    const name = published?.[format]?.split('/').at(-1);
    return [...(name === undefined ? [] : [name]), ownFileName(id, PART[role], format)];
  });
  const paths = folders.flatMap((folder) => names.map((name) => join(folder, name)));
  return paths.find((path) => existsSync(path)) ?? null;
}

function absent(
  profile: Profile,
  missing: readonly QuantizeRole[],
  roles: readonly QuantizeRole[],
): MmdeployError {
  const words = { weights: 'language model', encoder: 'projector' };
  const what = missing.map((role) =>
    roles.includes(role) ? `an unquantised file of its ${words[role]}` : `its ${words[role]}`,
  );
  return new MmdeployError(
    'file.missing',
    `\`${profile.id}\`: ${what.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} neither in MODELS_DIR nor here`,
    {
      hints: [
        ...missing.map((role) => howToGet(profile, role, roles.includes(role))),
        `or name the files: \`mmdeploy models quantize ./MODEL.gguf --mmproj ./MMPROJ.gguf ${flags(roles)}\``,
      ],
    },
  );
}

function howToGet(profile: Profile, role: QuantizeRole, unquantised: boolean): string {
  const { id, files, repository } = profile;
  const published = role === 'encoder' ? files?.mmproj : files?.model;
  const order = unquantised || role === 'encoder' ? FLOAT_FORMATS : ['Q4_K_M'];
  const names = order.flatMap((format) => published?.[format] ?? []);
  const name = names[0] ?? (unquantised ? undefined : Object.values(published ?? {})[0]);
  if (name !== undefined && files !== undefined) {
    const file = hubFile(`hf:${files.repository}/${name}`);
    return `fetch ${name} of ${files.repository}: \`curl -fLO ${file?.url ?? ''}\``;
  }
  const own = ownFileName(id, PART[role], 'F16');
  const mmproj = role === 'encoder' ? ' --mmproj' : '';
  return `none is known to be published: make ${own} of ${repository ?? 'the original weights'} with llama.cpp's \`convert_hf_to_gguf.py${mmproj} --outtype f16\``;
}

function flags(roles: readonly QuantizeRole[]): string {
  return roles
    .map((role) => (role === 'encoder' ? '--encoder Q8_0' : '--weights Q4_K_M'))
    .join(' ');
}

function notLlamaCpp({ id, engines }: Profile): MmdeployError {
  return new MmdeployError(
    'usage.invalid',
    `\`${id}\` does not run on llama.cpp, whose files these are: it runs on ${engines.join(', ')}`,
    { hints: ['`mmdeploy models` lists the models and their engines'] },
  );
}
