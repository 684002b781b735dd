import { existsSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { ModelDescription, ModelFile } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import { shellWord } from '../gguf/faults.ts';
import type { GgufHeader } from '../gguf/header.ts';
import { inQuant } from '../layout/model.ts';
import { FLOAT_FORMATS, encoderFormat } from '../match/formats.ts';
import type { Formats, ModelSource } from '../match/types.ts';
import type { PlanFiles } from '../plan/files.ts';
import { ownFileName } from '../plan/files.ts';
import { describeEncoder, describeProfile } from '../profiles/describe.ts';
import type { Profile, ProfileSet } from '../profiles/layers.ts';
import { findModel } from '../profiles/layers.ts';
import type { ProfileFolders } from '../profiles/load.ts';
import type { Context } from './context.ts';
import { ggufModel } from './gguf-model.ts';
import { readGgufPair } from './gguf-pair.ts';

export type ModelRequest = {
  /** A profile id, or the path of a GGUF file. */
  readonly name: string;
  /** `--mmproj FILE`; null looks beside the model. */
  readonly mmproj: string | null;
  /** `--profiles DIR`. */
  readonly profilesDir: string | null;
  /** Count by a vendor's rules of this day, `2026-03-01`; today's where left out. */
  readonly asOf?: string | null;
};

export type LoadedModel = {
  readonly source: ModelSource;
  /** The profile it comes from; null for a GGUF pair. */
  readonly profile: Profile | null;
  /** The headers of a GGUF pair; null for a profile. */
  readonly headers: { readonly model: GgufHeader; readonly mmproj: GgufHeader | null } | null;
  readonly files: (formats: Formats) => PlanFiles;
  readonly warnings: readonly string[];
};

/**
 * The model that a user names. Throws `usage.unknown-model` with the nearest profiles, `file.missing`
 * for a GGUF file or projector that is not there, `gguf.*` for a broken one, `model.mismatch` for a
 * projector that does not belong to the model.
 */
export async function loadModel(request: ModelRequest, ctx: Context): Promise<LoadedModel> {
  const { name } = request;
  if (await namesFile(request, ctx)) {
    return ggufModel(readGgufPair(resolve(ctx.cwd, name), request.mmproj, ctx), ctx);
  }
  const { profiles, notices } = await loadAll(profileFolders(ctx, request.profilesDir));
  const profile = findModel(profiles, name);
  if (request.mmproj !== null) throw projectorOfProfile(profile.id, request.mmproj);
  return profileModel(profile, notices, request.asOf ?? undefined);
}

/** True for the path of a file, false for what may be a profile. Throws `usage.not-yet` for `hf:` names. */
export async function namesFile(request: ModelRequest, ctx: Context): Promise<boolean> {
  const { name } = request;
  if (name.startsWith('hf:')) throw notYetHub(name);
  if (looksLikePath(name)) return true;
  return existsSync(resolve(ctx.cwd, name)) && !(await isProfile(request, ctx));
}

function projectorOfProfile(id: string, mmproj: string): MmdeployError {
  return new MmdeployError(
    'usage.invalid',
    `\`--mmproj ${mmproj}\` goes with a GGUF file, and \`${id}\` is a profile with its own`,
    { hints: ['leave `--mmproj` out, or give the file of the model in place of its name'] },
  );
}

export function profileFolders(ctx: Context, profilesDir: string | null): ProfileFolders {
  return {
    user: join(ctx.folders.config, 'profiles'),
    flag: profilesDir === null ? null : resolve(ctx.cwd, profilesDir),
  };
}

/** Loaded for profiles only: a GGUF file is planned without their schemas. */
async function loadAll(folders: ProfileFolders): Promise<ProfileSet> {
  const { loadProfiles } = await import('../profiles/load.ts');
  return loadProfiles(folders);
}

function looksLikePath(name: string): boolean {
  return name.endsWith('.gguf') || isAbsolute(name) || /^\.{0,2}[/\\]/.test(name);
}

async function isProfile({ name, profilesDir }: ModelRequest, ctx: Context): Promise<boolean> {
  const { profiles } = await loadAll(profileFolders(ctx, profilesDir));
  const wanted = name.toLowerCase();
  return profiles.some(({ id, aliases }) => id === wanted || aliases.includes(wanted));
}

/** A profile as a model whose formats can still be chosen. */
export function profileModel(
  profile: Profile,
  warnings: readonly string[] = [],
  asOf?: string,
): LoadedModel {
  const believed =
    profile.text === undefined
      ? `how \`${profile.id}\` counts is believed, not confirmed: see its profile`
      : `the dimensions of \`${profile.id}\` are believed, not confirmed: see its profile`;
  const doubtful = profile.confidence === 'doubtful' ? [believed] : [];
  const model = describeProfile(profile, asOf === undefined ? {} : { asOf });
  return {
    source: { model, inFormats: describedOnce(profile, model) },
    profile,
    headers: null,
    files: (formats) => hubFiles(profile, formats),
    warnings: [...warnings, ...doubtful, ...profile.caveats],
  };
}

/** Each format of either part is laid out once and is one object: a search asks again and again. */
function describedOnce(profile: Profile, plain: ModelDescription): ModelSource['inFormats'] {
  const models = new Map<string, ModelDescription>();
  const texts = new Map<string, ModelDescription['text']>();
  const textIn = (quant: string) => {
    if (plain.text === null) return null;
    const text = texts.get(quant) ?? inQuant(plain.text, quant);
    texts.set(quant, text);
    return text;
  };
  const encoders = new Map<string, ModelDescription['encoder']>();
  const encoderIn = (format: string | null) => {
    if (format === null) return plain.encoder;
    const encoder = encoders.get(format) ?? describeEncoder(profile, encoderFormat(format));
    encoders.set(format, encoder);
    return encoder;
  };
  return ({ quant, encoderQuant }) => {
    const key = `${quant} ${encoderQuant ?? ''}`;
    const before = models.get(key);
    if (before !== undefined) return before;
    const model = { ...plain, text: textIn(quant), encoder: encoderIn(encoderQuant) };
    models.set(key, model);
    return model;
  };
}

function hubFiles({ files, id }: Profile, formats: Formats): PlanFiles {
  const { quant, encoderQuant } = formats;
  const published = (name: string | undefined): string | null =>
    name === undefined || files === undefined ? null : `hf:${files.repository}/${name}`;
  const model = published(files?.model[quant]);
  const mmproj = encoderQuant === null ? null : published(files?.mmproj[encoderQuant]);
  const modelFrom = model === null ? published(unquantised(files?.model)) : null;
  const mmprojFrom =
    mmproj === null && encoderQuant !== null ? published(unquantised(files?.mmproj)) : null;
  const flags = [
    ...(mmprojFrom === null ? [] : [`--encoder ${encoderQuant ?? ''}`]),
    ...(modelFrom === null ? [] : [`--weights ${quant}`]),
  ];
  const command = ['mmdeploy models quantize', id, ...flags].join(' ');
  const of = (source: string | null, from: string | null, output: string): ModelFile => ({
    ...{ path: null, source, bytes: null, sha256: null },
    ...(from === null ? {} : { make: { command, from, output } }),
  });
  return {
    model: of(model, modelFrom, ownFileName(id, 'model', quant)),
    mmproj:
      encoderQuant === null
        ? null
        : of(mmproj, mmprojFrom, ownFileName(id, 'mmproj', encoderQuant)),
  };
}

/** The file that others can be made of. */
function unquantised(published: Readonly<Record<string, string>> | undefined): string | undefined {
  return FLOAT_FORMATS.map((format) => published?.[format]).find((name) => name !== undefined);
}

/** What the user calls the model, for commands in hints. */
export function commandName({ source, headers }: Pick<LoadedModel, 'source' | 'headers'>): string {
  return headers === null ? source.model.id : shellWord(headers.model.path);
}

function notYetHub(name: string): MmdeployError {
  return new MmdeployError('usage.not-yet', `\`${name}\`: models of the Hub are not taken yet`, {
    hints: ['download the file and give its path: `mmdeploy plan ./MODEL.gguf`'],
  });
}
