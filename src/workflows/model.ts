import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { ModelDescription, ModelFile } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import type { GgufHeader } from '../gguf/header.ts';
import { readGgufHeader } from '../gguf/read-file.ts';
import { describeGguf } from '../layout/describe-gguf.ts';
import type { EncoderFormat } from '../layout/encoder.ts';
import { inQuant } from '../layout/model.ts';
import { pairingProblem } from '../layout/pairing.ts';
import { imageRuleOf } from '../layout/token-rule.ts';
import { ENCODER_FORMATS } from '../match/formats.ts';
import type { Formats, ModelSource } from '../match/types.ts';
import type { PlanFiles } from '../plan/files.ts';
import { describeEncoder, describeProfile } from '../profiles/describe.ts';
import type { Profile, ProfileSet } from '../profiles/layers.ts';
import { findModel } from '../profiles/layers.ts';
import type { ProfileFolders } from '../profiles/load.ts';
import type { Context } from './context.ts';

export type ModelRequest = {
  /** A profile id, or the path of a GGUF file. */
  readonly name: string;
  /** `--mmproj FILE`; null looks beside the model. */
  readonly mmproj: string | null;
  /** `--profiles DIR`. */
  readonly profilesDir: string | null;
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
  if (name.startsWith('hf:')) throw notYetHub(name);
  const path = resolve(ctx.cwd, name);
  if (looksLikePath(name) || (existsSync(path) && !(await isProfile(request, ctx)))) {
    return loadGgufPair(path, request, ctx);
  }
  const { profiles, notices } = await loadAll(profileFolders(ctx, request.profilesDir));
  const profile = findModel(profiles, name);
  if (request.mmproj !== null) throw projectorOfProfile(profile.id, request.mmproj);
  return profileModel(profile, notices);
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
export function profileModel(profile: Profile, warnings: readonly string[] = []): LoadedModel {
  const doubtful =
    profile.confidence === 'doubtful'
      ? [`the dimensions of \`${profile.id}\` are believed, not confirmed: see its profile`]
      : [];
  const model = describeProfile(profile);
  return {
    source: { model, inFormats: describedOnce(profile, model) },
    profile,
    headers: null,
    files: (formats) => hubFiles(profile, formats),
    warnings: [...warnings, ...doubtful, ...profile.caveats],
  };
}

/** Each format is laid out once, and encoders of one format are one object: a search asks again and again. */
function describedOnce(profile: Profile, plain: ModelDescription): ModelSource['inFormats'] {
  const models = new Map<string, ModelDescription>();
  const encoders = new Map<string | null, ModelDescription['encoder']>();
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
    const text = plain.text === null ? null : inQuant(plain.text, quant);
    const model = { ...plain, text, encoder: encoderIn(encoderQuant) };
    models.set(key, model);
    return model;
  };
}

function encoderFormat(name: string): EncoderFormat {
  const found = ENCODER_FORMATS.find((format) => format === name.toUpperCase());
  if (found !== undefined) return found;
  throw new MmdeployError('usage.unknown-quant', `unknown encoder format \`${name}\``, {
    hints: [`\`--encoder-quant\` takes ${ENCODER_FORMATS.join(', ')}`],
  });
}

function hubFiles({ files, id }: Profile, { quant, encoderQuant }: Formats): PlanFiles {
  const of = (name: string | undefined): ModelFile => ({
    path: null,
    source: name === undefined || files === undefined ? null : `hf:${files.repository}/${name}`,
    bytes: null,
    sha256: null,
  });
  return {
    model: of(files?.model[quant]),
    mmproj: encoderQuant === null || id === '' ? null : of(files?.mmproj[encoderQuant]),
  };
}

function loadGgufPair(path: string, request: ModelRequest, ctx: Context): LoadedModel {
  const model = readGgufHeader(path);
  const mmprojPath =
    request.mmproj === null ? mmprojBeside(model.path) : resolve(ctx.cwd, request.mmproj);
  const mmproj = mmprojPath === null ? null : readGgufHeader(mmprojPath);
  if (mmproj !== null) {
    const problem = pairingProblem(model, mmproj);
    if (problem !== null) throw mismatch(problem);
  } else if (model.get('general.architecture') === 'clip') {
    throw mismatch(`\`${path}\` is a projector, not a language model`);
  }
  const id = basename(model.path).replace(/(-00001-of-\d+)?\.gguf$/i, '');
  const described = describeGguf(id, model, mmproj, imageRuleOf);
  const found =
    request.mmproj === null && mmprojPath !== null
      ? [`projector found beside the model: ${relative(ctx.cwd, mmprojPath) || mmprojPath}`]
      : [];
  return {
    source: { model: described, inFormats: () => described },
    profile: null,
    headers: { model, mmproj },
    files: () => ({ model: localFile(model), mmproj: mmproj === null ? null : localFile(mmproj) }),
    warnings: mmproj === null ? [withoutProjector(model)] : found,
  };
}

function localFile({ path, fileBytes }: GgufHeader): ModelFile {
  return { path, source: null, bytes: fileBytes, sha256: null };
}

/** Language models that are never used without their projector: their text positions are 3-D. */
const VISION_ONLY = /^qwen\d*(\.\d+)?vl(moe)?$/;

function withoutProjector(model: GgufHeader): string {
  const arch = String(model.get('general.architecture'));
  const hint = `give its projector: \`mmdeploy plan ${basename(model.path)} --mmproj FILE\``;
  if (VISION_ONLY.test(arch)) {
    throw new MmdeployError(
      'file.missing',
      `\`${model.path}\` (${arch}) needs a projector, and there is no \`mmproj*.gguf\` beside it`,
      { hints: [hint] },
    );
  }
  return `no \`mmproj*.gguf\` beside the model: planned for text only; ${hint}`;
}

/** The projector that people keep beside a model: one file with `mmproj` in its name, F16 before others. */
function mmprojBeside(modelPath: string): string | null {
  const folder = dirname(modelPath);
  const names = readdirSync(folder)
    .filter((name) => /mmproj.*\.gguf$/i.test(name) && join(folder, name) !== modelPath)
    .sort((a, b) => preference(a) - preference(b) || (a < b ? -1 : 1));
  return names[0] === undefined ? null : join(folder, names[0]);
}

function preference(name: string): number {
  if (/(^|[^b])f16/i.test(name)) return 0;
  return /bf16/i.test(name) ? 1 : 2;
}

function mismatch(problem: string): MmdeployError {
  return new MmdeployError('model.mismatch', problem, {
    hints: [
      'take both files from the same repository; `mmdeploy plan MODEL.gguf --mmproj FILE` names the projector',
    ],
  });
}

function notYetHub(name: string): MmdeployError {
  return new MmdeployError('usage.not-yet', `\`${name}\`: models of the Hub are not taken yet`, {
    hints: ['download the file and give its path: `mmdeploy plan ./MODEL.gguf`'],
  });
}
