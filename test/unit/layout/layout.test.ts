import { describe, expect, it } from 'vitest';
import type { TensorInfo } from '../../../src/contracts/model.ts';
import { tensorBytes, tensorElements } from '../../../src/gguf/types.ts';
import { encoderAs, encoderTensors } from '../../../src/layout/encoder.ts';
import { encoderModel } from '../../../src/layout/model.ts';
import { MEASURED_ENCODERS } from '../../helpers/measured-encoders.ts';
import { textTensors } from '../../../src/layout/text.ts';
import { sum } from '../../../src/units.ts';
import { internvl26b, llava13b, llava7b, qwen25vl7b } from './dimensions.ts';

const parameters = (tensors: readonly TensorInfo[]) => sum(tensors.map(tensorElements));
const bytes = (tensors: readonly TensorInfo[]) => sum(tensors.map(tensorBytes));

const MODELS = [
  { name: 'LLaVA-1.5-7B', model: llava7b },
  { name: 'LLaVA-1.5-13B', model: llava13b },
  { name: 'Qwen2.5-VL-7B', model: qwen25vl7b },
  { name: 'InternVL2-26B', model: internvl26b },
];

/** Bytes of F16 and Q8_0 projector files, less at most 60 kB of header; LLaVA's F16 file is published (624 MB). */
const PROJECTOR_FILES = [
  { name: 'LLaVA-1.5-7B', model: llava7b, f16: 624_449_652, q8: 334_120_116 },
  { name: 'LLaVA-1.5-13B', model: llava13b, f16: 645_429_364, q8: 345_269_428 },
  { name: 'Qwen2.5-VL-7B', model: qwen25vl7b, f16: 1_354_171_348, q8: 856_138_708 },
  { name: 'InternVL2-26B', model: internvl26b, f16: 11_316_007_044, q8: 6_026_652_804 },
];

describe('tensors from dimensions', () => {
  it.each(MODELS)('have the published parameters of $name', ({ model }) => {
    expect(parameters(textTensors(model.text))).toBe(model.textParameters);
    expect(parameters(encoderTensors(model.encoder)!)).toBe(model.encoderParameters);
  });

  it.each(PROJECTOR_FILES)('make the projector files of $name', ({ model, f16, q8 }) => {
    for (const [format, file] of [
      ['F16', f16],
      ['Q8_0', q8],
    ] as const) {
      const header = file - bytes(encoderTensors(model.encoder, format)!);
      expect(header).toBeGreaterThan(20_000);
      expect(header).toBeLessThan(60_000);
    }
  });

  it.each(MEASURED_ENCODERS.filter(({ parameters: total }) => total !== null))(
    'have the parameters of the projector of $id',
    ({ dims, parameters: total }) => {
      const tensors = encoderTensors(dims)!;
      expect(parameters(tensors)).toBe(total);
      expect(new Set(tensors.map(({ name }) => name)).size).toBe(tensors.length);
    },
  );

  it('have no name twice', () => {
    for (const { model } of MODELS) {
      const all = [...textTensors(model.text), ...encoderTensors(model.encoder)!];
      expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    }
  });

  it('keep vectors in F32 whatever the format', () => {
    for (const format of ['F16', 'BF16', 'F32'] as const) {
      const tensors = textTensors(qwen25vl7b.text, format);
      expect(new Set(tensors.filter((t) => t.shape.length === 1).map((t) => t.type))).toEqual(
        new Set(['F32']),
      );
      expect(new Set(tensors.filter((t) => t.shape.length > 1).map((t) => t.type))).toEqual(
        new Set([format]),
      );
    }
  });

  it('leave the output matrix out where the embedding stands in for it', () => {
    const tied = textTensors({ ...llava7b.text, tiedEmbeddings: true });
    expect(tied.some(({ name }) => name === 'output.weight')).toBe(false);
    expect(parameters(tied)).toBe(llava7b.textParameters - 4096 * 32064);
  });

  it('fuse q, k and v of qwen: the 7,721,324,544 parameters of Qwen-VL-Chat', () => {
    const tensors = textTensors({
      ...llava7b.text,
      arch: 'qwen',
      vocabulary: 151_936,
      qkvBias: true,
    });
    expect(parameters(tensors)).toBe(7_721_324_544);
    expect(tensors.find(({ name }) => name === 'blk.0.attn_qkv.weight')?.shape).toEqual([
      4096, 12_288,
    ]);
  });

  it('are unknown for a projector without a layout', () => {
    const dims = { ...llava7b.encoder, projectorType: 'yasa2' };
    expect(encoderTensors(dims)).toBeNull();
    expect(encoderModel(dims)).toBeNull();
  });
});

describe('encoderAs', () => {
  const f16 = encoderTensors(internvl26b.encoder)!;
  const typeOf = (tensors: readonly TensorInfo[], name: string) =>
    tensors.find((tensor) => tensor.name === name)?.type;

  it('gives Q8_0 only to what the converter quantises', () => {
    const q8 = encoderAs(f16, 'Q8_0');
    expect(typeOf(q8, 'v.blk.0.ffn_up.weight')).toBe('Q8_0');
    expect(typeOf(q8, 'v.patch_embd.weight')).toBe('F32');
    expect(typeOf(q8, 'v.position_embd.weight')).toBe('F32');
    expect(typeOf(q8, 'v.blk.0.ls1.weight')).toBe('F32');
    // 3420 is no multiple of 32.
    const qwen = encoderTensors(qwen25vl7b.encoder, 'Q8_0')!;
    expect(typeOf(qwen, 'v.blk.0.ffn_down.weight')).toBe('F16');
    expect(typeOf(qwen, 'v.blk.0.ffn_up.weight')).toBe('Q8_0');
  });

  it('changes nothing but matrices', () => {
    const bf16 = encoderAs(f16, 'BF16');
    expect(bytes(bf16)).toBe(bytes(f16));
    expect(typeOf(bf16, 'v.blk.0.ffn_up.weight')).toBe('BF16');
    expect(typeOf(bf16, 'v.blk.0.ffn_up.bias')).toBe('F32');
  });
});
