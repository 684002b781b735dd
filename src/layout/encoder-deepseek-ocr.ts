import { blocks, linear, norm } from './encoder-list.ts';
import type { EncoderDims } from './encoder-list.ts';
import type { TensorList } from './text.ts';

const SAM_PATCH = 16;
/** Side of the page that its positions are made for, patches. */
const SAM_SIDE = 64;
/** Blocks that attend to the whole page; the others within windows. */
const SAM_WHOLE: readonly number[] = [2, 5, 8, 11];
/** CLIP's own patches and side, of which DeepSeek-OCR keeps the tensors. */
const CLIP_PATCH = 14;
const CLIP_SIDE = 16;
/** Channels of the convolutions that shrink SAM's output. */
const NECK = 256;

/** SAM, then CLIP without its patches, then one matrix over both (DeepSeek-OCR). */
export function deepseekOcr(list: TensorList, dims: EncoderDims): void {
  const { embedding, feedForward, projectionDim } = dims;
  samTower(list, dims);
  list.vector('v.class_embd', embedding);
  list.matrix('v.patch_embd.weight', CLIP_PATCH, CLIP_PATCH, 3, embedding);
  list.add('v.position_embd.weight', [embedding, CLIP_SIDE ** 2 + 1], 'F32');
  norm(list, 'v.pre_ln', embedding);
  blocks(dims, (prefix) => {
    norm(list, `${prefix}.ln1`, embedding);
    linear(list, `${prefix}.attn_qkv`, embedding, 3 * embedding);
    linear(list, `${prefix}.attn_out`, embedding, embedding);
    norm(list, `${prefix}.ln2`, embedding);
    linear(list, `${prefix}.ffn_up`, embedding, feedForward);
    linear(list, `${prefix}.ffn_down`, feedForward, embedding);
  });
  linear(list, 'mm.model.fc', 2 * embedding, projectionDim);
  list.vector('v.image_newline', projectionDim);
  list.vector('v.view_seperator', projectionDim);
}

/** The converter keeps its positions and the convolutions after it in F32. */
function samTower(list: TensorList, { embedding, sam }: EncoderDims): void {
  if (sam === undefined) return;
  const { layers, embedding: width, heads, window } = sam;
  list.add('v.sam.pos_embd.weight', [width, SAM_SIDE, SAM_SIDE], 'F32');
  list.matrix('v.sam.patch_embd.weight', SAM_PATCH, SAM_PATCH, 3, width);
  list.vector('v.sam.patch_embd.bias', width);
  for (let block = 0; block < layers; block++) {
    const prefix = `v.sam.blk.${block}`;
    const reach = 2 * (SAM_WHOLE.includes(block) ? SAM_SIDE : window) - 1;
    norm(list, `${prefix}.pre_ln`, width);
    linear(list, `${prefix}.attn.qkv`, width, 3 * width);
    list.add(`${prefix}.attn.pos_h.weight`, [width / heads, reach], 'F32');
    list.add(`${prefix}.attn.pos_w.weight`, [width / heads, reach], 'F32');
    linear(list, `${prefix}.attn.out`, width, width);
    norm(list, `${prefix}.post_ln`, width);
    linear(list, `${prefix}.mlp.lin1`, width, 4 * width);
    linear(list, `${prefix}.mlp.lin2`, 4 * width, width);
  }
  list.add('v.sam.neck.0.weight', [1, 1, width, NECK], 'F32');
  norm(list, 'v.sam.neck.1', NECK);
  list.add('v.sam.neck.2.weight', [3, 3, NECK, NECK], 'F32');
  norm(list, 'v.sam.neck.3', NECK);
  list.add('v.sam.net_2.weight', [3, 3, NECK, 2 * NECK], 'F32');
  list.add('v.sam.net_3.weight', [3, 3, 2 * NECK, embedding], 'F32');
}
