import { basename, dirname, join, relative } from 'node:path';
import type { ModelDescription, ModelFile } from '../contracts/model.ts';
import { QUANTIZE_ROLES } from '../contracts/quantize.ts';
import type { QuantizeRole } from '../contracts/quantize.ts';
import { MmdeployError } from '../errors.ts';
import { shellWord } from '../gguf/faults.ts';
import type { GgufHeader } from '../gguf/header.ts';
import { describeGguf } from '../layout/describe-gguf.ts';
import type { HeaderView } from '../layout/header-view.ts';
import { mixBase, quantise } from '../layout/quantise.ts';
import { imageRuleOf } from '../layout/token-rule.ts';
import { encoderFormat } from '../match/formats.ts';
import type { Formats } from '../match/types.ts';
import type { PlanFiles } from '../plan/files.ts';
import type { Context } from './context.ts';
import type { GgufPair } from './gguf-pair.ts';
import { inFormat, isUnquantised, madeName, typedPath } from './gguf-pair.ts';
import type { LoadedModel } from './model.ts';

/**
 * A GGUF pair as a model. It is planned in the formats that its files are in, or in others: with the file
 * that is there in that format, else with the one that `models quantize` would make of it. A format that
 * cannot be made throws `usage.invalid`, an unknown one `usage.unknown-quant`.
 */
export function ggufModel(pair: GgufPair, ctx: Context): LoadedModel {
  const { model, mmproj } = pair;
  const id = basename(model.path).replace(/(-00001-of-\d+)?\.gguf$/i, '');
  const stored = describeGguf(id, model, mmproj, imageRuleOf);
  const found = pair.mmprojFound
    ? [`projector found beside the model: ${relative(ctx.cwd, mmproj?.path ?? '')}`]
    : [];
  const choose = memoised((formats) => chosenFiles(pair, stored, formats));
  return {
    source: {
      model: stored,
      inFormats: memoised((formats) => described(id, stored, formats, choose(formats))),
    },
    profile: null,
    headers: pair,
    files: (formats) => planFiles(pair, formats, choose(formats), ctx),
    warnings: mmproj === null ? [withoutProjector(model)] : found,
  };
}

function memoised<Result>(compute: (formats: Formats) => Result): (formats: Formats) => Result {
  const known = new Map<string, Result>();
  return (formats) => {
    const key = `${formats.quant} ${formats.encoderQuant ?? ''}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const result = compute(formats);
    known.set(key, result);
    return result;
  };
}

/** A file that is there, or one that would have to be made of `source`. */
type Choice =
  | { readonly kind: 'there'; readonly header: GgufHeader }
  | { readonly kind: 'to-make'; readonly source: GgufHeader; readonly format: string };

type Choices = { readonly weights: Choice; readonly encoder: Choice | null };

function chosenFiles(pair: GgufPair, stored: ModelDescription, formats: Formats): Choices {
  const { model, mmproj } = pair;
  const other = (wanted: string | null, has: string | null) => (wanted === has ? null : wanted);
  const encoder = other(formats.encoderQuant, stored.encoderQuant);
  return {
    weights: choice(pair, 'weights', model, other(formats.quant, stored.quant)),
    encoder: mmproj === null ? null : choice(pair, 'encoder', mmproj, encoder),
  };
}

/** `format` is null for what the file is in already. */
function choice(
  pair: GgufPair,
  role: QuantizeRole,
  source: GgufHeader,
  format: string | null,
): Choice {
  if (format === null) return { kind: 'there', header: source };
  const there = inFormat(pair, role, format);
  if (there !== null) return { kind: 'there', header: there };
  if (isUnquantised(source)) return { kind: 'to-make', source, format };
  const flag = role === 'encoder' ? '--encoder-quant' : '--quant';
  throw new MmdeployError(
    'usage.invalid',
    `\`${flag} ${format}\`: ${source.path} is quantised already, and a file in ${format} is not beside it`,
    { hints: [`leave \`${flag}\` out, or plan its F16 file: that can be made into others`] },
  );
}

function described(
  id: string,
  stored: ModelDescription,
  { quant, encoderQuant }: Formats,
  { weights, encoder }: Choices,
): ModelDescription {
  const mmproj = encoder === null ? null : laidOut(encoder, stored);
  const model = describeGguf(id, laidOut(weights, stored), mmproj, imageRuleOf);
  return { ...model, quant, encoderQuant };
}

/** The header of a file, or of the one that llama-quantize would write. */
function laidOut(file: Choice, { text }: ModelDescription): HeaderView {
  if (file.kind === 'there') return file.header;
  const { source, format } = file;
  const isEncoder = source.get('general.architecture') === 'clip';
  const name = isEncoder ? encoderFormat(format) : format;
  // Only the mixes of language models look at heads and layers.
  const dims = text ?? { arch: 'clip', layers: 0, heads: 0, kvHeads: 0 };
  const tensors = quantise(source.tensors, name, dims);
  return { path: source.path, get: (key) => source.get(key), tensors };
}

function planFiles(pair: GgufPair, formats: Formats, choices: Choices, ctx: Context): PlanFiles {
  const roles = QUANTIZE_ROLES.filter((role) => choices[role]?.kind === 'to-make');
  const flags = roles.map((role) =>
    role === 'encoder' ? `--encoder ${formats.encoderQuant ?? ''}` : `--weights ${formats.quant}`,
  );
  const mmproj = pair.mmproj === null ? [] : ['--mmproj', typedPath(pair.mmproj.path, ctx.cwd)];
  const command = [
    ...['mmdeploy models quantize', typedPath(pair.model.path, ctx.cwd), ...mmproj, ...flags],
  ].join(' ');
  return {
    model: modelFile(choices.weights, command),
    mmproj: choices.encoder === null ? null : modelFile(choices.encoder, command),
  };
}

function modelFile(file: Choice, command: string): ModelFile {
  if (file.kind === 'there') {
    const { path, fileBytes } = file.header;
    return { path, source: null, bytes: fileBytes, sha256: null };
  }
  const { source, format } = file;
  const unknown: ModelFile = { path: null, source: null, bytes: null, sha256: null };
  // A single type for every matrix can be planned, but llama-quantize makes mixes.
  if (mixBase(format) === undefined) return unknown;
  const output = join(dirname(source.path), madeName(source, format));
  return { ...unknown, make: { command, from: source.path, output } };
}

/** Language models that are never used without their projector: their text positions are 3-D. */
const VISION_ONLY = /^qwen\d*(\.\d+)?vl(moe)?$/;

function withoutProjector(model: GgufHeader): string {
  const arch = String(model.get('general.architecture'));
  const hint = `give its projector: \`mmdeploy plan ${shellWord(model.path)} --mmproj FILE\``;
  if (VISION_ONLY.test(arch)) {
    throw new MmdeployError(
      'file.missing',
      `\`${model.path}\` (${arch}) needs a projector, and there is no \`mmproj*.gguf\` beside it`,
      { hints: [hint] },
    );
  }
  return `no \`mmproj*.gguf\` beside the model: planned for text only; ${hint}`;
}
