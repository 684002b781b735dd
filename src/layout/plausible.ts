import type { TensorInfo, TextModel } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import { HYPER_KEYS } from './hyper.ts';
import type { HeaderView } from './header-view.ts';
import { predictionLayers } from './layer-kinds.ts';

/** Beyond any model there is; llama.cpp itself stops at 512 layers and 512 experts. */
const MOST_LAYERS = 1024;
const MOST_EXPERTS = 4096;
const MOST_HEADS = 65_536;
/** Widths, lengths and counts of which nothing more is known. */
const MOST = 2 ** 24;

const MOST_OF: Readonly<Record<string, number>> = {
  block_count: MOST_LAYERS,
  context_length: 2 ** 31 - 1,
  expert_count: MOST_EXPERTS,
  expert_used_count: MOST_EXPERTS,
  'attention.head_count': MOST_HEADS,
  'attention.head_count_kv': MOST_HEADS,
  'attention.sliding_window': 2 ** 32 - 1,
  'attention.chunk_size': 2 ** 32 - 1,
  image_size: MOST_HEADS,
  patch_size: MOST_HEADS,
  spatial_merge_size: 1024,
  'projector.scale_factor': 1024,
  'projector.stack_factor': 1024,
  num_mel_bins: MOST_HEADS,
};

/** Keys that are divided by; a picture of no size means any size in some families. */
const DIVISORS: ReadonlySet<string> = new Set([
  ...['embedding_length', 'context_length', 'patch_size'],
  ...['spatial_merge_size', 'projector.scale_factor', 'projector.stack_factor'],
]);

/** Keys that hold a fraction. */
const FRACTIONS: ReadonlySet<string> = new Set(['expert_weights_scale', 'final_logit_softcapping']);

const TEXT_KEYS: readonly string[] = [
  ...['block_count', 'embedding_length', 'feed_forward_length', 'context_length'],
  ...['attention.head_count', 'attention.head_count_kv'],
  ...['attention.key_length', 'attention.value_length'],
  ...HYPER_KEYS,
];

/**
 * Refuses counts of a language model that no model has, and a number of blocks of which the file has no
 * tensors: a figure from them would be nonsense, and work in proportion to them would not end. Throws
 * `gguf.invalid` naming file, key and value.
 */
export function checkTextKeys(header: HeaderView, arch: string): void {
  for (const key of TEXT_KEYS) checkKey(header, arch, key);
}

const TOWER_KEYS: readonly string[] = [
  ...['block_count', 'embedding_length', 'feed_forward_length', 'attention.head_count'],
  ...['projection_dim', 'patch_size', 'image_size', 'n_wa_pattern', 'num_mel_bins'],
  ...['spatial_merge_size', 'projector.scale_factor', 'projector.stack_factor'],
  ...['image_min_pixels', 'image_max_pixels', 'image_grid_pinpoints'],
  ...['preproc_min_tiles', 'preproc_max_tiles', 'preproc_image_size'],
];

/** The same for a tower; `tower` is `vision` or `audio`. */
export function checkTowerKeys(header: HeaderView, tower: string): void {
  for (const key of TOWER_KEYS) checkKey(header, `clip.${tower}`, key);
  checkKey(header, 'clip', 'minicpmv_query_num');
}

function checkKey(header: HeaderView, prefix: string, key: string): void {
  const value = header.get(`${prefix}.${key}`);
  const most = MOST_OF[key] ?? MOST;
  const least = DIVISORS.has(key) ? 1 : 0;
  for (const entry of Array.isArray(value) ? (value as unknown[]) : [value]) {
    if (typeof entry !== 'number') continue;
    if (FRACTIONS.has(key) ? Number.isFinite(entry) : isCount(entry, least, most)) continue;
    throw damaged(
      header,
      `\`${prefix}.${key}\` is ${entry}, not a whole number from ${least} to ${most}`,
    );
  }
}

function isCount(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

const BLOCK = /^blk\.(\d+)\./;

/** Refuses dimensions that contradict the tensors or each other, as llama.cpp does when it loads them. */
export function checkText(header: HeaderView, text: TextModel): void {
  const { arch, layers, embedding, keyLength, valueLength } = text;
  const blocks = blocksOf(text.tensors);
  // Some converters leave out the layers that only predict further tokens.
  if (blocks > layers || blocks < layers - predictionLayers(text)) {
    throw damaged(
      header,
      `\`${arch}.block_count\` is ${layers}, and the file has tensors of ${blocks} blocks`,
    );
  }
  const width = text.tensors.find(({ name }) => name === 'token_embd.weight')?.shape[0];
  if (width !== embedding) {
    throw damaged(
      header,
      `\`${arch}.embedding_length\` is ${embedding}, and token_embd.weight has rows of ${width ?? 0}`,
    );
  }
  if (!Number.isInteger(keyLength) || !Number.isInteger(valueLength)) {
    throw damaged(
      header,
      `\`${arch}.embedding_length\` ${embedding} is no multiple of \`${arch}.attention.head_count\` ${text.heads}`,
    );
  }
}

function blocksOf(tensors: readonly TensorInfo[]): number {
  let most = -1;
  for (const { name } of tensors) {
    const block = BLOCK.exec(name)?.[1];
    if (block !== undefined) most = Math.max(most, Number(block));
  }
  return most + 1;
}

/** Refuses a picture of no size where a rule counts by it. */
export function checkPictureSize(
  header: HeaderView,
  params: Readonly<Record<string, unknown>>,
): void {
  if (![params['imageSize'], params['tileSize'], params['sliceSize']].includes(0)) return;
  throw damaged(header, '`clip.vision.image_size` is 0, and its images are counted by it');
}

function damaged(header: HeaderView, what: string): MmdeployError {
  return new MmdeployError('gguf.invalid', `\`${header.path}\`: ${what}`, {
    hints: ['download the file again, or convert it with a current `convert_hf_to_gguf.py`'],
  });
}
