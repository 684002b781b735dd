import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeploymentPlan } from '../../src/contracts/plan.ts';
import { planSchema } from '../../src/contracts/plan.ts';
import { encoderMetadata } from '../../src/demo/encoder-metadata.ts';
import { writeDemoModel } from '../../src/demo/model.ts';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import { tensorBytes } from '../../src/gguf/types.ts';
import { writeGguf } from '../../src/gguf/write-file.ts';
import { encoderFromGguf } from '../../src/layout/describe-encoder.ts';
import { quantise } from '../../src/layout/quantise.ts';
import { sum } from '../../src/units.ts';
import { mmdeploy } from '../helpers/cli.ts';

const root = mkdtempSync(join(tmpdir(), 'mmdeploy-formats-'));
afterAll(() => rmSync(root, { recursive: true }));

let demo: { model: string; mmproj: string };
beforeAll(async () => {
  demo = await writeDemoModel(join(root, 'demo'));
});

const CLIP = { arch: 'clip', layers: 0, heads: 0, kvHeads: 0 };

async function plan(...argv: string[]): Promise<DeploymentPlan> {
  const flags = ['--gpu', 'none', '-o', 'json'];
  const { code, stdout, stderr } = await mmdeploy(['plan', ...argv, ...flags]);
  expect(code, stderr).toBe(0);
  return planSchema.parse(JSON.parse(stdout));
}

const encoderBytes = ({ memory }: DeploymentPlan) =>
  memory.devices[0]?.items.find(({ part }) => part === 'encoder-weights')?.bytes;

/** The demo projector in Q8_0, of zeros, under a name of somebody else's. */
async function writeQ8Projector(path: string) {
  const encoder = encoderFromGguf(readGgufHeader(demo.mmproj));
  const tensors = quantise(encoder.tensors, 'Q8_0', CLIP);
  await writeGguf(path, { metadata: encoderMetadata('demo', encoder), tensors }, null);
}

describe('plan of a GGUF pair in another format', () => {
  it('counts the projector as it would be, and names the command that makes it', async () => {
    const asked = await plan(demo.model, '--encoder-quant', 'Q8_0');
    expect(asked.settings).toMatchObject({ quant: 'F16', encoderQuant: 'Q8_0' });
    const made = quantise(readGgufHeader(demo.mmproj).tensors, 'Q8_0', CLIP);
    const file = sum(made.map(tensorBytes));
    const stored = encoderBytes(await plan(demo.model));
    const before = sum(readGgufHeader(demo.mmproj).tensors.map(tensorBytes));
    expect((stored ?? 0) - (encoderBytes(asked) ?? 0)).toBe(before - file);
    const command = `mmdeploy models quantize ${demo.model} --mmproj ${demo.mmproj} --encoder Q8_0`;
    expect(asked.files.mmproj).toEqual({
      ...{ path: null, source: null, bytes: null, sha256: null },
      make: {
        command,
        from: demo.mmproj,
        output: join(dirname(demo.mmproj), 'demo-mmproj-Q8_0.gguf'),
      },
    });
    expect(asked.warnings).toContain(`still to be made: the projector in Q8_0: \`${command}\``);
    expect(asked.engine?.args).toContain('${MODELS_DIR}/demo-mmproj-Q8_0.gguf');
    expect(asked.files.model?.path).toBe(demo.model);
  });

  it('makes both with one command', async () => {
    const { files, warnings } = await plan(
      ...[demo.model, '--encoder-quant', 'BF16', '--quant', 'Q4_K_M'],
    );
    const command = files.model?.make?.command ?? '';
    expect(command).toMatch(/ --encoder BF16 --weights Q4_K_M$/);
    expect(files.mmproj?.make?.command).toBe(command);
    expect(warnings.filter((line) => line.includes('models quantize'))).toEqual([
      `still to be made: the weights in Q4_K_M and the projector in BF16: \`${command}\``,
    ]);
  });

  it('takes the file that is there, whatever it is called', async () => {
    const folder = join(root, 'there');
    const { model } = await writeDemoModel(folder);
    const path = join(folder, 'small-mmproj.q8_0.gguf');
    await writeQ8Projector(path);
    const { files, warnings } = await plan(model, '--encoder-quant', 'Q8_0');
    expect(files.mmproj).toMatchObject({ path });
    expect(files.mmproj).not.toHaveProperty('make');
    expect(warnings.join('\n')).not.toContain('models quantize');
  });

  it('can plan a single type for every matrix, which no command makes', async () => {
    const { files, warnings } = await plan(demo.model, '--quant', 'Q4_K');
    expect(files.model).not.toHaveProperty('make');
    expect(warnings.join('\n')).toMatch(/no published file of the weights is known/);
  });

  it('refuses to make it of a quantised file', async () => {
    const path = join(root, 'q8', 'mmproj-q8.gguf');
    const { model } = await writeDemoModel(dirname(path));
    await writeQ8Projector(path);
    const argv = ['plan', model, '--mmproj', path, '--encoder-quant', 'BF16'];
    const { code, stderr } = await mmdeploy(argv);
    expect(stderr).toMatch(/`--encoder-quant BF16`: .*mmproj-q8.gguf is quantised already/);
    expect(code).toBe(2);
  });
});

describe('plan of a profile in a format that nobody publishes', () => {
  it('says what to fetch, and the command that makes it', async () => {
    const { files, warnings } = await plan('llava-1.5-7b', '--encoder-quant', 'Q8_0');
    const from = 'hf:second-state/Llava-v1.5-7B-GGUF/llava-v1.5-7b-mmproj-model-f16.gguf';
    const command = 'mmdeploy models quantize llava-1.5-7b --encoder Q8_0';
    expect(files.mmproj?.make).toEqual({ command, from, output: 'llava-1.5-7b-mmproj-Q8_0.gguf' });
    expect(warnings).toContain(
      `still to be made: the projector in Q8_0 (fetch ${from} first): \`${command}\``,
    );
  });

  it('makes nothing where the format is published', async () => {
    const { files } = await plan('qwen2.5-vl-7b', '--encoder-quant', 'Q8_0');
    expect(files.mmproj?.source).toMatch(/mmproj-Qwen2.5-VL-7B-Instruct-Q8_0.gguf$/);
    expect(files.mmproj).not.toHaveProperty('make');
  });
});
