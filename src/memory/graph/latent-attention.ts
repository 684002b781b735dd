import { hyperNumber } from '../../layout/hyper.ts';
import { attend } from './attention.ts';
import { MissingTensor } from './text-context.ts';
import type { TextContext } from './text-context.ts';
import { compute, matrixProduct, permute, reshape, view } from './tensor.ts';
import type { GraphTensor } from './tensor.ts';

/** Multi-head latent attention of DeepSeek-V2 and Kimi-VL: the cache holds one compressed K for all heads. */
export function latentAttention(
  context: TextContext,
  layer: number,
  normed: GraphTensor,
): GraphTensor {
  const { text, tokens } = context;
  const number = (key: string) => hyperNumber(text, key) ?? 0;
  const rank = number('attention.kv_lora_rank');
  const rope = number('rope.dimension_count');
  const length = number('attention.key_length_mla');
  const query = queries(context, layer, normed);
  const row = length * 4;
  const plain = view(query, [length - rope, text.heads, tokens], [row, row * text.heads]);
  const turning = view(query, [rope, text.heads, tokens], [row, row * text.heads]);
  const compressed = context.project(layer, 'attn_kv_a_mqa', normed);
  const wide = (rank + rope) * 4;
  const kept = view(compressed, [rank, tokens], [wide]);
  const keyTurning = view(compressed, [rope, 1, tokens], [wide, wide]);
  const turn = (of: GraphTensor) => compute('ROPE', of.shape, [of, context.positions]);
  const turned = turn(turning);
  const keyTurned = turn(keyTurning);
  const latent = context.norm(layer, 'attn_kv_a_norm', kept);
  const expand = context.layerWeight(layer, 'attn_k_b.weight');
  const values = context.layerWeight(layer, 'attn_v_b.weight');
  if (expand === null || values === null)
    throw new MissingTensor(`layer ${layer} has no latent matrices`);
  const absorbed = permute(matrixProduct(expand, permute(plain, [0, 2, 1, 3])), [0, 2, 1, 3]);
  const value = reshape(latent, rank, 1, tokens);
  return attend(context, {
    layer,
    query: compute('CONCAT', [rank + rope, text.heads, tokens], [absorbed, turned]),
    key: compute('CONCAT', [rank + rope, 1, tokens], [value, keyTurned]),
    value,
    latentValues: values,
  });
}

function queries(context: TextContext, layer: number, normed: GraphTensor): GraphTensor {
  if (context.layerWeight(layer, 'attn_q_a.weight') === null) {
    return context.project(layer, 'attn_q', normed);
  }
  const low = context.project(layer, 'attn_q_a', normed);
  return context.project(layer, 'attn_q_b', context.norm(layer, 'attn_q_a_norm', low));
}
