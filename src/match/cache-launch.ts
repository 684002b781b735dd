import type { TextModel } from '../contracts/model.ts';
import { ggmlType } from '../gguf/types.ts';
import { hasLatentCache, headLengths } from '../layout/layer-kinds.ts';
import type { LaunchSettings } from '../memory/types.ts';

type CacheSettings = Pick<LaunchSettings, 'kvType' | 'kvTypeV' | 'flashAttention'>;

/**
 * Why llama.cpp makes no KV cache of these types for a model; null where it does. Latent attention keeps V
 * within K, so both have one type; flash attention reads whole blocks of a quantised type out of each head
 * (`llama_init_from_model`).
 */
export function cacheFault(text: TextModel, settings: CacheSettings): string | null {
  const { kvType, kvTypeV = kvType, flashAttention } = settings;
  if (hasLatentCache(text) && kvType !== kvTypeV) {
    return (
      `\`${text.arch}\` keeps V within K, and llama.cpp takes no \`--kv-type ${kvType}\` with ` +
      `\`--kv-type-v ${kvTypeV}\` for it: leave \`--kv-type-v\` out`
    );
  }
  if (!flashAttention) return null;
  for (const [layer, heads] of text.kvHeads.entries()) {
    if (heads === 0) continue;
    const lengths = headLengths(text, layer);
    for (const [type, length] of [
      [kvType, lengths.key],
      [kvTypeV, lengths.value],
    ] as const) {
      const { blockSize } = ggmlType(type.toUpperCase());
      if (length % blockSize === 0) continue;
      return `heads of ${length} are no whole blocks of ${blockSize}, as a cache in ${type} needs: give \`--kv-type f16\``;
    }
  }
  return null;
}
