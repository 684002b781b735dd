import type { HyperValue, TextModel } from '../contracts/model.ts';

type Keyed = Pick<TextModel, 'hyper'>;

/** Keys beside the common ones that decide tensors, caches or the compute graph of some architecture. */
export const HYPER_KEYS = [
  'attention.chunk_size',
  'attention.key_length_mla',
  'attention.key_length_swa',
  'attention.kv_lora_rank',
  'attention.q_lora_rank',
  'attention.shared_kv_layers',
  'attention.sliding_window',
  'attention.sliding_window_pattern',
  'attention.value_length_mla',
  'attention.value_length_swa',
  'embedding_length_per_layer_input',
  'expert_count',
  'expert_feed_forward_length',
  'expert_gating_func',
  'expert_group_count',
  'expert_group_used_count',
  'expert_shared_count',
  'expert_shared_feed_forward_length',
  'expert_used_count',
  'expert_weights_norm',
  'expert_weights_scale',
  'feed_forward_length',
  'final_logit_softcapping',
  'full_attention_interval',
  'interleave_moe_layer_step',
  'leading_dense_block_count',
  'n_deepstack_layers',
  'nextn_predict_layers',
  'rope.dimension_count',
  'rope.dimension_count_swa',
  'rope.dimension_sections',
  'shortconv.l_cache',
  'ssm.conv_kernel',
  'ssm.group_count',
  'ssm.inner_size',
  'ssm.state_size',
  'ssm.time_step_rank',
] as const;

/** A number of the architecture (`expert_count` …); undefined where the model has none, or a list. */
export function hyperNumber(model: Keyed, key: string): number | undefined {
  const value = model.hyper[key];
  return typeof value === 'number' ? value : undefined;
}

/** The value for one layer of a key that holds one for all, or a list that is repeated over the layers. */
export function hyperOfLayer(
  model: Keyed,
  key: string,
  layer: number,
): number | boolean | undefined {
  const value: HyperValue | undefined = model.hyper[key];
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (value === undefined || typeof value === 'string') return undefined;
  return value[layer % value.length];
}
