import type { TensorInfo } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';

/** What is asked of a parsed GGUF header; `GgufHeader` is one. */
export type HeaderView = {
  /** The file, for messages. */
  readonly path: string;
  readonly get: (key: string) => unknown;
  readonly tensors: readonly TensorInfo[];
};

/** `general.architecture`; empty when the file does not say. */
export function architecture(header: HeaderView): string {
  return optionalText(header, 'general.architecture') ?? '';
}

export function optionalText(header: HeaderView, key: string): string | undefined {
  const value = header.get(key);
  return typeof value === 'string' ? value : undefined;
}

/** The number at `key`, the largest of an array of one for each layer; undefined where there is none. */
export function optionalNumber(header: HeaderView, key: string): number | undefined {
  const value = header.get(key);
  if (typeof value === 'number') return value;
  const numbers = numberArray(header, key) ?? [];
  return numbers.length === 0 ? undefined : Math.max(...numbers);
}

/** As `optionalNumber`; throws `gguf.invalid` naming file and key where there is none. */
export function requiredNumber(header: HeaderView, key: string): number {
  const value = optionalNumber(header, key);
  if (value !== undefined && Number.isSafeInteger(value) && value >= 0) return value;
  const found = value === undefined ? 'missing' : `${value}, not a whole number`;
  throw new MmdeployError('gguf.invalid', `\`${header.path}\`: \`${key}\` is ${found}`, {
    hints: ['download the file again, or convert it with a current `convert_hf_to_gguf.py`'],
  });
}

/** The values of `key` for each of `layers` layers; one number stands for all of them. */
export function perLayer(
  header: HeaderView,
  key: string,
  layers: number,
): readonly number[] | undefined {
  const numbers = numberArray(header, key);
  if (numbers !== undefined) {
    return Array.from({ length: layers }, (_, layer) => numbers[layer] ?? 0);
  }
  const value = header.get(key);
  return typeof value === 'number' ? Array.from({ length: layers }, () => value) : undefined;
}

/** The numbers at `key`; undefined where there is no array of numbers. */
export function numberArray(header: HeaderView, key: string): readonly number[] | undefined {
  const value = header.get(key);
  if (!Array.isArray(value)) return undefined;
  const numbers: number[] = [];
  for (const entry of value as readonly unknown[]) {
    if (typeof entry !== 'number') return undefined;
    numbers.push(entry);
  }
  return numbers;
}
