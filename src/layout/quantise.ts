import type { TensorInfo, TextModel } from '../contracts/model.ts';
import { MmdeployError, nearest } from '../errors.ts';
import { GGML_TYPES, ggmlType, isGgmlType, tensorElements } from '../gguf/types.ts';
import type { GgmlTypeName } from '../gguf/types.ts';
import { MIXES } from './mixes.ts';
import type { Mix, MixName, Place } from './mixes.ts';
import { rememberedByName, tensorNames, withTypes } from './tensor-name.ts';

/** What the choice of types depends on beside the tensors. */
export type QuantisedModel = {
  readonly arch: string;
  readonly layers: number;
  readonly heads: number;
  /** A list counts by its first layer, as `llama-quantize` reads it. */
  readonly kvHeads: number | readonly number[];
  readonly hyper?: Readonly<Partial<TextModel['hyper']>> | undefined;
};

/** Names that `--quant` takes: the mixes, then single types (`Q4_K` = every matrix in it). */
export const QUANT_NAMES: readonly string[] = [
  ...Object.keys(MIXES),
  ...Object.keys(GGML_TYPES).filter((name) => isPlain(name)),
];

/** Types that hold weights; Q8_1 and Q8_K only ever hold activations. */
function isPlain(name: string): name is GgmlTypeName {
  return (
    isGgmlType(name) &&
    !Object.hasOwn(MIXES, name) &&
    ggmlType(name).blockSize > 1 &&
    !['Q8_1', 'Q8_K'].includes(name)
  );
}

/**
 * The same tensors in the types that `llama-quantize` gives them, from a file in a float format.
 * A plain type name puts every matrix in it but `output.weight`, which is Q6_K.
 * Throws `usage.unknown-quant` with the nearest names.
 */
export function quantise(
  tensors: readonly TensorInfo[],
  quant: string,
  model: QuantisedModel,
): TensorInfo[] {
  const mix: Mix = mixOf(quant);
  const { roles, values, tied } = analysed(tensors);
  const headsPerKv = kvHeadsOf(model) === 0 ? 0 : model.heads / kvHeadsOf(model);
  return withTypes(tensors, (tensor, position) => {
    const role = roles[position];
    if (role === undefined || role === null) return tensor.type;
    const { kind, block } = role;
    if (mix.experts !== undefined && (tensor.shape[2] ?? 1) > 1) {
      return fitting(tensor, mix.experts);
    }
    if (ggmlType(mix.base).blockSize === 1) return mix.base;
    // Where not every block attends, value matrices are counted by themselves.
    const index = kind === 'attnV' ? values.indexOf(block) : block;
    const of = kind === 'attnV' ? values.length : model.layers;
    const type =
      kind === 'output' || (kind === 'tokenEmbedding' && tied && Object.hasOwn(MIXES, quant))
        ? outputType(tensor, mix.base)
        : matrixType(mix, kind, { index, of, headsPerKv });
    const lifted = kind === 'attnV' && isSeventyB(model) ? liftedValue(type) : type;
    return fitting(tensor, lifted);
  });
}

type Analysis = {
  /** What each tensor is; null where it is never quantised. */
  readonly roles: readonly ({ readonly kind: Kind; readonly block: number } | null)[];
  /** Blocks with a value matrix, in order. */
  readonly values: readonly number[];
  /** The token embedding is the output matrix too. */
  readonly tied: boolean;
  /** Elements of the matrices of all blocks. */
  readonly blockElements: number;
};

/** A search takes the same tensors through every quant: their names are read once. */
const ANALYSED = new WeakMap<readonly TensorInfo[], Analysis>();

function analysed(tensors: readonly TensorInfo[]): Analysis {
  const known = ANALYSED.get(tensors);
  if (known !== undefined) return known;
  const kindOf = rememberedByName(kindOfName);
  const mayBeQuantised = rememberedByName(isQuantisedName);
  const values: number[] = [];
  let blockElements = 0;
  const roles = tensorNames(tensors).map(({ block, rest }, position) => {
    const tensor = tensors[position];
    const role = { kind: kindOf(rest), block: block ?? 0 };
    if (role.kind === 'attnV') values.push(role.block);
    if (tensor === undefined || tensor.shape.length < 2 || !mayBeQuantised(rest)) return null;
    if (block !== null) blockElements += tensorElements(tensor);
    return role;
  });
  values.sort((one, other) => one - other);
  const tied = !tensors.some(({ name }) => name === 'output.weight');
  const made = { roles, values, tied, blockElements };
  ANALYSED.set(tensors, made);
  return made;
}

/**
 * Bytes that the blocks of a model take at least in a quant, before it is laid out in it: as if no matrix
 * got a better type than the mix's own. Throws `usage.unknown-quant`.
 */
export function leastBlockBytes(tensors: readonly TensorInfo[], quant: string): number {
  const { base, experts = base }: Mix = mixOf(quant);
  const bytes = Math.min(...[base, experts].map((type) => bytesPerElement(type)));
  return analysed(tensors).blockElements * bytes;
}

function bytesPerElement(type: GgmlTypeName): number {
  const { typeBytes, blockSize } = ggmlType(type);
  return typeBytes / blockSize;
}

function kvHeadsOf({ kvHeads }: QuantisedModel): number {
  return typeof kvHeads === 'number' ? kvHeads : (kvHeads[0] ?? 0);
}

function mixOf(quant: string): Mix {
  if (Object.hasOwn(MIXES, quant)) return MIXES[quant as MixName];
  if (isPlain(quant)) return { base: quant };
  throw new MmdeployError('usage.unknown-quant', `unknown quant \`${quant}\``, {
    hints: [`nearest names: ${nearest(quant, QUANT_NAMES).join(', ') || QUANT_NAMES.join(', ')}`],
  });
}

type Kind = 'tokenEmbedding' | 'output' | 'attnV' | 'attnOutput' | 'ffnDown' | 'other';

const KINDS: readonly (readonly [RegExp, Kind])[] = [
  [/^(per_layer_)?token_embd\.weight$/, 'tokenEmbedding'],
  [/^output\.weight$/, 'output'],
  [/attn_(v|qkv|kv_b)\.weight$/, 'attnV'],
  [/attn_output\.weight$/, 'attnOutput'],
  [/ffn_down/, 'ffnDown'],
];

function kindOfName(name: string): Kind {
  return KINDS.find(([pattern]) => pattern.test(name))?.[1] ?? 'other';
}

/** Routers, what is looked up in a vision tower, and small matrices that set the course of whole layers. */
const NEVER_QUANTISED = new RegExp(
  [
    ...['ffn_gate_inp\\.weight', 'altup', 'laurel', 'per_layer_model_proj', 'ssm_conv1d'],
    ...['shortconv\\.conv\\.weight', 'attn_rel_b\\.weight', '\\.position_embd', '\\.patch_embd'],
    ...['\\.patch_merger', '\\.rel_pos', 'sam\\.pos_embd', 'sam\\.neck\\.', 'sam\\.net_'],
  ].join('|'),
);

/** Matrices and stacks of experts, but no norms, no router, and nothing of a vision tower that is looked up. */
function isQuantisedName(name: string): boolean {
  return name.endsWith('weight') && !name.endsWith('_norm.weight') && !NEVER_QUANTISED.test(name);
}

/** True for a tensor that a quantised format converts. */
export function isQuantised({ name, shape }: TensorInfo): boolean {
  return shape.length >= 2 && isQuantisedName(name);
}

function matrixType(mix: Mix, kind: Kind, place: Place): GgmlTypeName {
  const choice =
    kind === 'attnV' || kind === 'attnOutput' || kind === 'ffnDown' ? mix[kind] : undefined;
  return choice?.(place) ?? mix.base;
}

/** The output matrix, or the token embedding that stands in for it, keeps more bits. */
function outputType(tensor: TensorInfo, base: GgmlTypeName): GgmlTypeName {
  const [row = 0] = tensor.shape;
  return base === 'Q8_0' || row % ggmlType(base).blockSize !== 0 ? 'Q8_0' : 'Q6_K';
}

/** `LLM_TYPE_70B`: eight query heads share each value matrix, so more bits there cost next to nothing. */
function isSeventyB(model: QuantisedModel): boolean {
  const { arch, layers, heads } = model;
  return layers === 80 && heads !== kvHeadsOf(model) && ['llama', 'qwen2'].includes(arch);
}

function liftedValue(type: GgmlTypeName): GgmlTypeName {
  return type === 'Q3_K' || type === 'Q4_K' ? 'Q5_K' : type;
}

/** What is taken where a row is no whole number of 256-element blocks (`tensor_type_fallback`). */
const FALLBACKS: Readonly<Partial<Record<GgmlTypeName, GgmlTypeName>>> = {
  IQ1_S: 'IQ4_NL',
  IQ1_M: 'IQ4_NL',
  IQ2_XXS: 'IQ4_NL',
  IQ2_XS: 'IQ4_NL',
  IQ2_S: 'IQ4_NL',
  IQ3_XXS: 'IQ4_NL',
  IQ3_S: 'IQ4_NL',
  IQ4_XS: 'IQ4_NL',
  Q2_K: 'Q4_0',
  Q3_K: 'Q4_0',
  TQ1_0: 'Q4_0',
  TQ2_0: 'Q4_0',
  Q4_K: 'Q5_0',
  Q5_K: 'Q5_1',
  Q6_K: 'Q8_0',
};

function fitting({ shape }: TensorInfo, type: GgmlTypeName): GgmlTypeName {
  const [row = 0] = shape;
  const fits = (candidate: GgmlTypeName) => row % ggmlType(candidate).blockSize === 0;
  if (fits(type)) return type;
  const fallback = FALLBACKS[type];
  return fallback !== undefined && fits(fallback) ? fallback : 'F16';
}

/** Types that most matrices of a mix may have: its own, and the one for rows that do not fit that. */
export function mixTypes(quant: string): readonly GgmlTypeName[] {
  const base = mixBase(quant);
  const fallback = base === undefined ? undefined : FALLBACKS[base];
  return [base, fallback].filter((type) => type !== undefined);
}

/** Type of most matrices in a mix; undefined for a name that is none. */
export function mixBase(quant: string): GgmlTypeName | undefined {
  return Object.hasOwn(MIXES, quant) ? MIXES[quant as MixName].base : undefined;
}
