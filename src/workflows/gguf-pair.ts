import { readdirSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { QuantizeRole } from '../contracts/quantize.ts';
import { MmdeployError } from '../errors.ts';
import { shellWord } from '../gguf/faults.ts';
import type { GgufHeader } from '../gguf/header.ts';
import { readGgufHeader } from '../gguf/read-file.ts';
import { isFloat } from '../gguf/types.ts';
import { quantLabel } from '../layout/file-type.ts';
import { pairingProblem } from '../layout/pairing.ts';
import { quantisedName } from '../layout/quantised-name.ts';
import type { Context } from './context.ts';

/** A language model's file and its projector's, which belong together. */
export type GgufPair = {
  readonly model: GgufHeader;
  readonly mmproj: GgufHeader | null;
  /** The projector was not named but found beside the model. */
  readonly mmprojFound: boolean;
};

/**
 * The pair that a GGUF path stands for; the projector is the one that is named, or found beside the
 * model. Throws `file.missing`, `gguf.*`, and `model.mismatch` for two files that do not go together.
 */
export function readGgufPair(path: string, named: string | null, ctx: Context): GgufPair {
  const model = readGgufHeader(path);
  if (isProjector(model) && named === null) throw projectorGiven(path, ctx);
  const mmprojPath = named === null ? projectorsBeside(model.path)[0] : resolve(ctx.cwd, named);
  const mmproj = mmprojPath === undefined ? null : readProjector(mmprojPath, model.path, ctx);
  const problem = mmproj === null ? null : pairingProblem(model, mmproj);
  if (problem !== null) throw mismatch(problem);
  return { model, mmproj, mmprojFound: named === null && mmproj !== null };
}

/** Throws as `readGgufHeader`; for a projector that is not there names the one beside the model. */
function readProjector(path: string, modelPath: string, { cwd }: Context): GgufHeader {
  try {
    return readGgufHeader(path);
  } catch (error) {
    if (!(error instanceof MmdeployError) || error.code !== 'file.missing') throw error;
    const [beside] = projectorsBeside(modelPath);
    const command = `mmdeploy plan ${typedPath(modelPath, cwd)}`;
    throw new MmdeployError('file.missing', `\`--mmproj ${path}\`: no such file`, {
      hints: [
        beside === undefined
          ? `fetch the projector of the model, or plan for text only: \`${command}\``
          : `did you mean \`${command} --mmproj ${typedPath(beside, cwd)}\`?`,
      ],
      cause: error,
    });
  }
}

function isProjector(header: GgufHeader): boolean {
  return header.get('general.architecture') === 'clip';
}

/** Projectors that people keep beside a model: files with `mmproj` in their names, F16 before others. */
function projectorsBeside(modelPath: string): string[] {
  const folder = dirname(modelPath);
  return readdirSync(folder)
    .filter((name) => /mmproj.*\.gguf$/i.test(name) && join(folder, name) !== modelPath)
    .sort((a, b) => preference(a) - preference(b) || (a < b ? -1 : 1))
    .map((name) => join(folder, name));
}

/** A file whose name tells no format is taken for what the converter wrote. */
function preference(name: string): number {
  if (/(^|[^b])f16/i.test(name)) return 0;
  if (/bf16/i.test(name)) return 1;
  return /(^|[-._])i?q\d/i.test(name) ? 3 : 2;
}

/**
 * The same file in another format, where it is: under the name that `models quantize` gives it, or for a
 * projector any beside the model that is in that format and belongs to it. Null where there is none.
 */
export function inFormat(pair: GgufPair, role: QuantizeRole, format: string): GgufHeader | null {
  const source = role === 'encoder' ? pair.mmproj : pair.model;
  if (source === null) return null;
  const usual = join(dirname(source.path), madeName(source, format));
  const others = role === 'encoder' ? projectorsBeside(pair.model.path) : [];
  return (
    [usual, ...others].map(readable).find((header) => {
      if (header === null || quantLabel(header) !== format) return false;
      if (role === 'weights') return sameShapes(header, source);
      return isProjector(header) && pairingProblem(pair.model, header) === null;
    }) ?? null
  );
}

/** What lies beside a model may be anything: a file that cannot be read is not the one. */
function readable(path: string): GgufHeader | null {
  try {
    return readGgufHeader(path);
  } catch (error) {
    if (error instanceof MmdeployError) return null;
    throw error;
  }
}

function sameShapes(one: GgufHeader, other: GgufHeader): boolean {
  const shapes = new Map(one.tensors.map(({ name, shape }) => [name, shape.join('x')]));
  return (
    one.tensors.length === other.tensors.length &&
    other.tensors.every(({ name, shape }) => shapes.get(name) === shape.join('x'))
  );
}

/** Name of the file that `models quantize` makes of a GGUF file. */
export function madeName(source: GgufHeader, format: string): string {
  return quantisedName(basename(source.path), quantLabel(source), format);
}

/** True for a file that nothing of was quantised yet: what to make others from. */
export function isUnquantised({ tensors }: GgufHeader): boolean {
  return tensors.every(({ type }) => isFloat(type));
}

/** `path` as one types it in `cwd`, for commands in hints. */
export function typedPath(path: string, cwd: string): string {
  const inside = relative(cwd, path);
  const shorter = inside === '' || inside.startsWith('..') ? path : `./${inside}`;
  return shellWord(shorter);
}

function projectorGiven(path: string, ctx: Context): MmdeployError {
  const beside = readdirSync(dirname(path))
    .filter((name) => name.endsWith('.gguf') && !/mmproj/i.test(name))
    .slice(0, 3)
    .map((name) => typedPath(join(dirname(path), name), ctx.cwd));
  const models = beside.length > 0 ? beside : ['./MODEL.gguf'];
  return new MmdeployError('model.mismatch', `\`${path}\` is a projector, not a language model`, {
    hints: models.map(
      (model) =>
        `name its language model: \`mmdeploy plan ${model} --mmproj ${typedPath(path, ctx.cwd)}\``,
    ),
  });
}

function mismatch(problem: string): MmdeployError {
  return new MmdeployError('model.mismatch', problem, {
    hints: [
      'take both files from the same repository; `mmdeploy plan MODEL.gguf --mmproj FILE` names the projector',
    ],
  });
}
