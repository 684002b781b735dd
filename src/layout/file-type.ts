import { tensorBytes } from '../gguf/types.ts';
import { optionalNumber } from './header-view.ts';
import type { HeaderView } from './header-view.ts';
import { isQuantised, mixTypes } from './quantise.ts';

/** `general.file_type` (`enum llama_ftype`) to the name of the mix. */
const FILE_TYPES: Readonly<Record<number, string>> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  7: 'Q8_0',
  8: 'Q5_0',
  9: 'Q5_1',
  10: 'Q2_K',
  11: 'Q3_K_S',
  12: 'Q3_K_M',
  13: 'Q3_K_L',
  14: 'Q4_K_S',
  15: 'Q4_K_M',
  16: 'Q5_K_S',
  17: 'Q5_K_M',
  18: 'Q6_K',
  25: 'IQ4_NL',
  30: 'IQ4_XS',
  32: 'BF16',
};

/**
 * Name of a file's weight format. The mix that the header claims, where the type of most of its bytes
 * agrees; else that type, because converters leave stale claims behind. What is never quantised does not
 * count: in a small projector it outweighs the rest.
 */
export function quantLabel(header: HeaderView): string {
  const dominant = dominantType(header);
  const claimed = FILE_TYPES[optionalNumber(header, 'general.file_type') ?? -1];
  const agrees = claimed !== undefined && mixTypes(claimed).some((type) => type === dominant);
  return agrees ? claimed : dominant;
}

function dominantType({ tensors }: HeaderView): string {
  const bytes = new Map<string, number>();
  const formatted = tensors.filter(isQuantised);
  for (const tensor of formatted.length > 0 ? formatted : tensors) {
    bytes.set(tensor.type, (bytes.get(tensor.type) ?? 0) + tensorBytes(tensor));
  }
  return [...bytes].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 'F32';
}
