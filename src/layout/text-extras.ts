import { hyperNumber } from './hyper.ts';
import type { LayeredModel } from './layer-kinds.ts';
import type { TensorList } from './tensor-list.ts';
import type { LayerContext, TextDims } from './text.ts';

/** Streams that Gemma 3n runs side by side, and the rank of its residual shortcut (`llama-hparams.h`). */
export const ALTUP_STREAMS = 4;
const LAUREL_RANK = 64;
/** Width of one layer's share of Gemma 3n's per-layer embedding where the header does not say. */
const GEMMA3N_PER_LAYER = 256;

/** Architectures with one expert matrix for gate and up where the file has it so. */
const FUSED_EXPERTS: ReadonlySet<string> = new Set(['gemma4']);
/** A bias is added to the router's scores before the experts are chosen. */
const BIASED_ROUTER: ReadonlySet<string> = new Set([
  'glm4moe',
  'deepseek2',
  'lfm2moe',
  'ernie4_5-moe',
]);

/** The router, the experts and the shared expert of one layer. */
export function expertTensors({ list, dims, model, prefix }: LayerContext): void {
  const { arch, embedding } = dims;
  const number = (key: string) => hyperNumber(model, key) ?? 0;
  const experts = number('expert_count');
  const width = number('expert_feed_forward_length');
  list.add(`${prefix}.ffn_gate_inp.weight`, [embedding, experts], 'F32');
  if (BIASED_ROUTER.has(arch)) list.vector(`${prefix}.exp_probs_b.bias`, experts);
  if (FUSED_EXPERTS.has(arch)) {
    list.vector(`${prefix}.ffn_gate_inp.scale`, embedding);
    list.matrix(`${prefix}.ffn_gate_up_exps.weight`, embedding, 2 * width, experts);
    for (const norm of ['pre_ffw_norm_2', 'post_ffw_norm_1', 'post_ffw_norm_2']) {
      list.vector(`${prefix}.${norm}.weight`, embedding);
    }
  } else {
    list.matrix(`${prefix}.ffn_gate_exps.weight`, embedding, width, experts);
    list.matrix(`${prefix}.ffn_up_exps.weight`, embedding, width, experts);
  }
  list.matrix(`${prefix}.ffn_down_exps.weight`, width, embedding, experts);
  if (arch === 'gpt-oss') {
    list.vector(`${prefix}.ffn_gate_inp.bias`, experts);
    list.add(`${prefix}.ffn_gate_exps.bias`, [width, experts], 'F32');
    list.add(`${prefix}.ffn_up_exps.bias`, [width, experts], 'F32');
    list.add(`${prefix}.ffn_down_exps.bias`, [embedding, experts], 'F32');
  }
  sharedExpert(list, prefix, embedding, sharedWidth(dims, model), arch);
}

function sharedWidth({ arch }: TextDims, model: Pick<LayeredModel, 'hyper'>): number {
  const number = (key: string) => hyperNumber(model, key);
  // Gemma 4's shared expert is its dense feed-forward.
  if (arch === 'gemma4') return 0;
  const width = number('expert_feed_forward_length') ?? 0;
  const shared = number('expert_shared_count') ?? (arch === 'llama4' ? 1 : 0);
  return number('expert_shared_feed_forward_length') ?? shared * width;
}

function sharedExpert(
  list: TensorList,
  prefix: string,
  embedding: number,
  width: number,
  arch: string,
): void {
  if (width === 0) return;
  if (arch === 'qwen35moe') {
    list.vector(`${prefix}.ffn_gate_inp_shexp.weight`, embedding);
  }
  list.matrix(`${prefix}.ffn_gate_shexp.weight`, embedding, width);
  list.matrix(`${prefix}.ffn_up_shexp.weight`, embedding, width);
  list.matrix(`${prefix}.ffn_down_shexp.weight`, width, embedding);
}

/** Width of one layer's share of the per-layer embedding; 0 where a model has none. */
export function perLayerWidth(model: Pick<LayeredModel, 'arch' | 'hyper'>): number {
  const given = hyperNumber(model, 'embedding_length_per_layer_input');
  return given ?? (model.arch === 'gemma3n' ? GEMMA3N_PER_LAYER : 0);
}

/** The tables of Gemma 3n and 4 that give every layer its own embedding of each token. */
export function perLayerTables(list: TensorList, dims: TextDims, model: LayeredModel): void {
  const { arch, layers, embedding, vocabulary } = dims;
  const width = perLayerWidth(model);
  if (arch === 'gemma4') {
    list.vector('rope_freqs.weight', model.keyLength / 2);
  }
  if (width === 0) return;
  list.matrix('per_layer_token_embd.weight', width * layers, vocabulary);
  list.matrix('per_layer_model_proj.weight', embedding, width * layers);
  list.vector('per_layer_proj_norm.weight', width);
  if (arch === 'gemma3n') {
    list.matrix('altup_proj.weight', embedding, embedding, ALTUP_STREAMS - 1);
    list.matrix('altup_unembd_proj.weight', embedding, embedding, ALTUP_STREAMS - 1);
  }
}

/** What a layer of Gemma 3n or 4 needs to mix its own embedding in. */
export function perLayerInputs({ list, dims, model, prefix }: LayerContext): void {
  const { arch, embedding } = dims;
  const width = perLayerWidth(model);
  if (width > 0) {
    list.matrix(`${prefix}.inp_gate.weight`, embedding, width);
    list.matrix(`${prefix}.proj.weight`, width, embedding);
    list.vector(`${prefix}.post_norm.weight`, embedding);
  }
  if (arch === 'gemma4') list.vector(`${prefix}.layer_output_scale.weight`, 1);
  if (arch !== 'gemma3n') return;
  list.add(`${prefix}.altup_correct_coef.weight`, [ALTUP_STREAMS, ALTUP_STREAMS], 'F32');
  list.vector(`${prefix}.altup_correct_scale.weight`, embedding);
  list.add(`${prefix}.altup_predict_coef.weight`, [ALTUP_STREAMS, ALTUP_STREAMS ** 2], 'F32');
  list.matrix(`${prefix}.altup_router.weight`, embedding, ALTUP_STREAMS);
  list.vector(`${prefix}.altup_router_norm.weight`, embedding);
  list.matrix(`${prefix}.laurel_l.weight`, embedding, LAUREL_RANK);
  list.matrix(`${prefix}.laurel_r.weight`, LAUREL_RANK, embedding);
  list.vector(`${prefix}.laurel_post_norm.weight`, embedding);
}
