import type { MadeFile, QuantizeRole } from '../contracts/quantize.ts';
import type { GgufHeader } from '../gguf/header.ts';
import { isFloat, tensorBytes } from '../gguf/types.ts';
import { quantLabel } from '../layout/file-type.ts';
import { mixBase } from '../layout/quantise.ts';
import { sum } from '../units.ts';

/** What became of each tensor, from the headers of the two files. */
export function madeFile(
  role: QuantizeRole,
  source: GgufHeader,
  output: GgufHeader,
  target: { readonly path: string; readonly format: string },
): MadeFile {
  const { path, format } = target;
  const before = new Map(source.tensors.map(({ name, type }) => [name, type]));
  const types = [...new Set(output.tensors.map(({ type }) => type))].map((type) => {
    const tensors = output.tensors.filter((tensor) => tensor.type === type);
    return { type, tensors: tensors.length, bytes: sum(tensors.map(tensorBytes)) };
  });
  const isMatrix = (shape: readonly number[]) => shape.filter((length) => length > 1).length > 1;
  const base = mixBase(format) ?? format;
  return {
    role,
    source: { path: source.path, format: quantLabel(source), bytes: source.fileBytes },
    output: { path, format, bytes: output.fileBytes },
    tensors: {
      total: output.tensors.length,
      converted: output.tensors.filter(({ name, type }) => before.get(name) !== type).length,
      types: types.sort((a, b) => b.bytes - a.bytes),
      kept: output.tensors
        .filter(({ shape, type }) => isMatrix(shape) && isFloat(type) && type !== base)
        .map(({ name, type }) => ({ name, type })),
      others: output.tensors.filter(({ type }) => !isFloat(type) && type !== base).length,
    },
  };
}
