import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { textMetadata } from '../../src/demo/metadata.ts';
import { writeSparsePair } from '../../src/demo/sparse-pair.ts';
import { demoTokenizer } from '../../src/demo/tokenizer.ts';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import { GGML_TYPES, tensorBytes } from '../../src/gguf/types.ts';
import { writeGguf } from '../../src/gguf/write-file.ts';
import { describeGguf } from '../../src/layout/describe-gguf.ts';
import { encoderModel, textModel } from '../../src/layout/model.ts';
import { pairingProblem } from '../../src/layout/pairing.ts';
import { imageRuleOf } from '../../src/layout/token-rule.ts';
import { runCommand } from '../../src/process/run.ts';
import { MIB, sum } from '../../src/units.ts';
import { llamaTokenize } from '../helpers/llama.ts';
import { internvl26b, llava7b, qwen25vl7b } from '../unit/layout/dimensions.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmdeploy-sparse-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const PUBLISHED = {
  'llava-1.5-7b': llava7b,
  'qwen2.5-vl-7b': qwen25vl7b,
  'internvl2-26b': internvl26b,
};
type Id = keyof typeof PUBLISHED;

async function sparse(id: Id, quant: string) {
  const { text, encoder } = PUBLISHED[id];
  const description = {
    id: `${id}-${quant}`,
    name: id,
    text: textModel(text, 8192, quant),
    encoder: encoderModel(encoder),
  };
  const { model, mmproj } = await writeSparsePair(description, folder);
  return { description, model: model ?? '', mmproj: mmproj ?? '' };
}

describe('writeSparsePair', () => {
  it.each(Object.keys(PUBLISHED) as Id[])(
    'lays out %s in full length on little disk',
    async (id) => {
      const { description, model, mmproj } = await sparse(id, 'Q4_K');
      const headers = [readGgufHeader(model), readGgufHeader(mmproj)] as const;
      expect(pairingProblem(...headers)).toBeNull();
      const read = describeGguf(id, ...headers, imageRuleOf);
      // Each side knows some keys that the other leaves at their default.
      expect(read.text).toMatchObject(description.text);
      expect({ ...read.encoder, ...description.encoder }).toEqual({
        ...description.encoder,
        ...read.encoder,
      });
      expect(read.quant).toBe('Q4_K');

      const data = sum(description.text.tensors.map(tensorBytes));
      expect(statSync(model).size).toBeGreaterThan(data);
      expect((statSync(model).blocks + statSync(mmproj).blocks) * 512).toBeLessThan(10 * MIB);
    },
  );

  it('leaves a part out that the description lacks', async () => {
    const text = textModel(llava7b.text, 4096);
    const pair = await writeSparsePair({ id: 'text', name: 'text', text, encoder: null }, folder);
    expect(pair).toEqual({ model: join(folder, 'text.gguf'), mmproj: null });
    expect(existsSync(join(folder, 'text-mmproj.gguf'))).toBe(false);
  });
});

const server = inject('llamaServer');

describe.skipIf(server === null)('sparse files in the real tools', () => {
  const tool = async (name: string, ...args: readonly string[]) => {
    const program = join(dirname(server ?? ''), name);
    const result = await runCommand(program, args, {
      timeoutMs: 60_000,
      // No LLAMA_ARG_* of a developer's own.
      env: { PATH: process.env['PATH'], GGML_NO_BACKTRACE: '1' },
    });
    expect(result, result.stderr.slice(-500)).toMatchObject({ outcome: 'exited', code: 0 });
    return result.stdout + result.stderr;
  };

  // ggml checks every offset in the file against its own sizes of all tensors before it.
  it('agree with ggml on the size of every tensor type', async () => {
    const text = textModel(llava7b.text, 4096);
    const tensors = Object.keys(GGML_TYPES).flatMap((type) => [
      { name: `${type}.a`, shape: [256, 3], type },
      { name: `${type}.b`, shape: [512, 5], type },
    ]);
    const path = join(folder, 'every-type.gguf');
    const metadata = [...textMetadata('every type', text), ...demoTokenizer()];
    await writeGguf(path, { metadata, tensors }, null);
    const ids = await llamaTokenize(server ?? '', path, 'ab', {
      addSpecial: false,
      parseSpecial: false,
    });
    expect(ids).toHaveLength(3);
  });

  it.each([
    ['llava-1.5-7b', 'Q4_K_M'],
    ['qwen2.5-vl-7b', 'IQ4_XS'],
    ['internvl2-26b', 'Q3_K_M'],
  ] as const)('give %s the size that llama-quantize gives its %s', async (id, quant) => {
    const { model } = await sparse(id, 'F16');
    const output = await tool('llama-quantize', '--dry-run', model, quant);
    const printed = Number(/quant size\s*=\s*([\d.]+) MiB/.exec(output)?.[1]);
    const { tensors } = textModel(PUBLISHED[id].text, 8192, quant);
    expect(sum(tensors.map(tensorBytes)) / MIB).toBeCloseTo(printed, 2);
  });

  // `llama-fit-params` prints device, weights, KV cache and compute buffers in MiB.
  it.each([
    ['llava-1.5-7b', 4096],
    ['qwen2.5-vl-7b', 448],
    ['internvl2-26b', 1536],
  ] as const)('give %s a KV cache of %i MiB at 8192 tokens', async (id, kv) => {
    const { model } = await sparse(id, 'Q4_K');
    const args = ['-m', model, '-c', '8192', '-np', '1', '-fitp', 'on'];
    const output = await tool('llama-fit-params', ...args);
    expect(/^Host \d+ (\d+) \d+/m.exec(output)?.[1]).toBe(String(kv));
  });
});
