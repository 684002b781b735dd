import { headLengths } from '../../layout/layer-kinds.ts';
import { attend } from './attention.ts';
import { feedForward } from './feed-forward.ts';
import { elementwise, rows, view } from './tensor.ts';
import type { GraphTensor } from './tensor.ts';
import type { TextContext } from './text-context.ts';
import type { BlockInput } from './transformer-block.ts';

/** A block of Phi-2: one LayerNorm, attention and feed-forward side by side behind it (`phi2.cpp`). */
export function phi2Block(context: TextContext, { layer, entry, last }: BlockInput): GraphTensor {
  const { text, tokens } = context;
  const { key, value } = headLengths(text, layer);
  const kvHeads = text.kvHeads[layer] ?? 0;
  let normed = context.norm(layer, 'attn_norm', entry, 'NORM');
  let residual = entry;
  const fused = context.project(layer, 'attn_qkv', normed);
  const part = (length: number, heads: number) =>
    view(fused, [length, heads, tokens], [length * 4, fused.strides[1]]);
  const turn = (of: GraphTensor) => elementwise('ROPE', of, context.positions);
  let attended = attend(context, {
    layer,
    query: context.scale(turn(part(key, text.heads))),
    key: turn(part(key, kvHeads)),
    value: part(value, kvHeads),
  });
  if (last) {
    attended = rows(attended, context.outputRows);
    residual = rows(residual, context.outputRows);
    normed = rows(normed, context.outputRows);
  }
  return context.add(context.add(attended, feedForward(context, layer, normed)), residual);
}
