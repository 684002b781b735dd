import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { DeploymentPlan } from '../../src/contracts/plan.ts';
import { planSchema, surveySchema } from '../../src/contracts/plan.ts';
import { loadEngineCatalogue } from '../../src/engine/catalogue.ts';
import { GIB } from '../../src/units.ts';
import { mmdeploy } from '../helpers/cli.ts';

async function planJson(model: string, ...flags: string[]): Promise<DeploymentPlan> {
  const args = ['plan', model, '--engine', 'vllm', ...flags, '-o', 'json'];
  const { code, stdout, stderr } = await mmdeploy(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return planSchema.strict().parse(JSON.parse(stdout));
}

const argsOf = ({ engine }: DeploymentPlan) => ` ${engine?.args.join(' ') ?? ''} `;
const bytesOf = ({ memory }: DeploymentPlan, part: string) =>
  memory.devices[0]?.items.find((item) => item.part === part)?.bytes ?? 0;

const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-vllm-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A machine with one display card of which `free` bytes are left. */
async function displayCard(free: number): Promise<string> {
  const { stdout } = await mmdeploy(['plan', 'demo', '--gpu', 'RTX 4090', '-o', 'json']);
  const { machine } = planSchema.parse(JSON.parse(stdout));
  const [gpu] = machine.gpus;
  const file = join(folder, `display-${free}.json`);
  writeFileSync(file, JSON.stringify({ ...machine, gpus: [{ ...gpu, freeBytes: free }] }));
  return file;
}

describe('plan --engine vllm', () => {
  it('takes the 8-bit checkpoint where the card computes FP8, and says nothing that vLLM has not', async () => {
    const plan = await planJson('qwen2.5-vl-7b', '--gpu', 'L40S');
    expect(plan.settings).toMatchObject({ quant: 'FP8', tensorParallelSize: 1 });
    expect(plan.files.model?.source).toBe('hf:RedHatAI/Qwen2.5-VL-7B-Instruct-FP8-Dynamic');
    expect(argsOf(plan)).not.toMatch(/ --quantization /);
    expect(argsOf(plan)).toContain(' --limit-mm-per-prompt {"image":1,"video":0} ');
    const { vllm } = await loadEngineCatalogue();
    const flags = plan.engine?.args.filter((arg) => arg.startsWith('--')) ?? [];
    expect(flags.filter((flag) => !vllm.flags.includes(flag))).toEqual([]);
  });

  it.each([
    ['molmo-7b-d', true],
    ['phi-4-multimodal', true],
    ['kimi-vl-a3b', true],
    ['minicpm-v-4.6', false],
    ['gemma-4-e4b', false],
  ])('trusts the code of %s: %s', async (model, trusted) => {
    const args = argsOf(await planJson(model, '--gpu', 'A100-80GB SXM'));
    expect(args.includes(' --trust-remote-code ')).toBe(trusted);
  });

  it('converts BF16 to FP8 where nobody publishes it', async () => {
    const plan = await planJson('llava-1.5-7b', '--gpu', 'RTX 4090', '--quant', 'FP8');
    expect(argsOf(plan)).toMatch(/ serve llava-hf\/llava-1.5-7b-hf .* --quantization fp8 /);
    expect(plan.reasons.join()).toMatch(/converted from BF16/);
  });

  it('splits over GPUs, and keeps a tower whole that cannot be split', async () => {
    const plan = await planJson('internvl2-26b', '--gpu', '2x L40S', '--quant', 'BF16');
    expect(plan.settings?.tensorParallelSize).toBe(2);
    expect(argsOf(plan)).toMatch(/ --tensor-parallel-size 2 .* --mm-encoder-tp-mode data /);
    expect(plan.reasons.join()).toMatch(/25 attention heads of the vision tower/);
    // InternViT-6B and its projector: 5,652,925,824 parameters in BF16 on each GPU.
    expect(bytesOf(plan, 'encoder-weights')).toBe(2 * 5_652_925_824);
    for (const { items, peakBytes } of plan.memory.devices) {
      expect(items.reduce((total, { bytes }) => total + bytes, 0)).toBe(peakBytes);
    }
  });

  it('takes the fewest GPUs, the largest of unequal ones, and names them', async () => {
    const plan = await planJson('qwen2.5-vl-7b', '--gpu', 'RTX 3060 12GB', '--gpu', 'RTX 4090');
    expect(plan.memory.devices.map(({ id }) => id)).toEqual(['gpu1']);
    expect(plan.reasons.join()).toMatch(/1 GPU of 2 is enough: set `CUDA_VISIBLE_DEVICES=1`/);
    expect(argsOf(plan)).not.toMatch(/tensor-parallel/);
  });

  it('starts on a card that something else uses: its share stays below what is free', async () => {
    const file = await displayCard(20 * GIB);
    const plan = await planJson('qwen2.5-vl-7b', '--machine', file);
    const capacity = plan.memory.devices[0]?.capacityBytes ?? 0;
    const share = Number(/ --gpu-memory-utilization (\S+) /.exec(argsOf(plan))?.[1]);
    expect(share).toBeLessThan(0.9);
    expect(share * capacity).toBeLessThan(20 * GIB);
    expect(plan.memory.devices[0]?.peakBytes).toBeLessThanOrEqual(share * capacity);
    expect(plan.reasons.join()).toMatch(/or vLLM refuses to start/);
  });

  it('is tight where only a larger share of the card holds it', async () => {
    const plan = await planJson('qwen2.5-vl-32b', '--gpu', 'RTX 4090');
    expect(plan).toMatchObject({ verdict: 'tight', settings: { quant: 'INT4' } });
    expect(argsOf(plan)).toContain(' --gpu-memory-utilization 0.95 ');
    expect(plan.reasons.join()).toMatch(/does not fit under vLLM's own 0\.9/);
  });

  it('caps images to the context in the words of the processor', async () => {
    const qwen = await planJson('qwen2.5-vl-7b', '--gpu', 'L40S', '--context', '4096');
    // 4096 - 512 for the text - 2 of the wrapper, in squares of 28 pixels.
    expect(argsOf(qwen)).toContain(` --mm-processor-kwargs {"max_pixels":${3582 * 28 * 28}} `);
    expect(qwen.settings?.imageMaxTokens).toBe(3582);
    const asked = await planJson('qwen2.5-vl-7b', '--gpu', 'L40S', '--image-max-tokens', '1024');
    expect(argsOf(asked)).toContain(` --mm-processor-kwargs {"max_pixels":${1024 * 28 * 28}} `);
    expect(bytesOf(asked, 'encoder-compute')).toBeLessThan(bytesOf(qwen, 'encoder-compute'));
    const intern = await planJson('internvl2-8b', '--gpu', 'L40S', '--image-max-tokens', '1300');
    // Four tiles and the thumbnail, 256 tokens each.
    expect(argsOf(intern)).toContain(' --mm-processor-kwargs {"max_dynamic_patch":4} ');
    expect(intern.settings?.imageMaxTokens).toBe(1280);
  });

  it('reserves for the images of the workload where nothing caps what the processor makes', async () => {
    const flags = ['pixtral-12b', '--gpu', 'A100-80GB', '--context', '2048'] as const;
    const stated = await planJson(...flags, '--images', '1@640x480');
    expect(argsOf(stated)).toContain(
      ' --limit-mm-per-prompt {"image":{"count":1,"width":640,"height":480}} ',
    );
    expect(stated.reasons.join()).toMatch(/refuses images of more tokens than 640x480 pixels take/);
    const open = await planJson(...flags);
    expect(argsOf(open)).toContain(' --limit-mm-per-prompt {"image":1} ');
    expect(bytesOf(stated, 'encoder-compute')).toBeLessThan(bytesOf(open, 'encoder-compute'));
    // Its processor takes a cap: larger images are made smaller, not refused.
    const capped = await planJson('qwen2.5-vl-7b', '--gpu', 'L4', '--images', '1@640x480');
    expect(argsOf(capped)).toContain(' --limit-mm-per-prompt {"image":1,"video":0} ');
  });

  it('halves the cache with FP8, and holds the workload', async () => {
    const flags = ['--gpu', 'L40S', '--context', '8192', '--slots', '4'];
    const [whole, half] = [
      await planJson('qwen2.5-vl-7b', ...flags),
      await planJson('qwen2.5-vl-7b', ...flags, '--kv-type', 'fp8'),
    ];
    expect(bytesOf(half, 'kv-cache')).toBe(bytesOf(whole, 'kv-cache') / 2);
    expect(argsOf(half)).toContain(' --kv-cache-dtype fp8 ');
    const busy = await planJson(
      'internvl2-8b',
      '--gpu',
      'L40S',
      '--users',
      '6',
      '--images',
      '3@1920x1080',
    );
    // vLLM counts 2306 tokens for each of these images.
    expect(busy.settings).toMatchObject({ slots: 6 });
    expect(busy.settings?.contextPerSlot).toBeGreaterThanOrEqual(3 * 2306);
    expect(argsOf(busy)).toContain(' --limit-mm-per-prompt {"image":3} ');
  });

  it('shows what else there is, each of which fits', async () => {
    const plan = await planJson('qwen2.5-vl-7b', '--gpu', 'RTX 4090');
    const others = plan.alternatives.map(({ quant }) => quant);
    expect(others).toContain('INT4');
    for (const { verdict, gains } of plan.alternatives) {
      expect(['fits', 'tight']).toContain(verdict);
      expect(gains.length).toBeGreaterThan(0);
    }
  });
});

describe('what vLLM cannot do', () => {
  const REFUSED: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['gpt-4o'], 2, /does not run on vllm[^]*estimate --model gpt-4o/],
    [['qwen2.5-vl-7b', '--gpu-layers', '20'], 2, /keeps every layer[^]*--engine llama\.cpp/],
    [['qwen2.5-vl-7b', '--ubatch', '256'], 2, /batches by itself/],
    [['qwen2.5-vl-7b', '--tensor-split', '1,1'], 2, /splits every layer evenly/],
    [['qwen2.5-vl-7b', '--swa-full'], 2, /`--swa-full` is llama\.cpp's/],
    [['qwen2.5-vl-7b', '--quant', 'Q4_K_M'], 2, /vLLM has BF16, FP8, INT8, INT4/],
    [['qwen2.5-vl-7b', '--encoder-quant', 'Q8_0'], 2, /vision tower in BF16/],
    [['qwen2.5-vl-7b', '--kv-type', 'q8_0'], 2, /cache is bf16 or fp8/],
    [['internvl2.5-26b', '--quant', 'INT4'], 2, /no INT4 checkpoint of .* is confirmed/],
    [['llava-1.5-7b', '--gpu', 'L4', '--image-max-tokens', '100'], 3, /takes no such cap/],
    [['gemma-3-12b', '--gpu', 'T4'], 3, /no BF16[^]*--engine llama\.cpp/],
    [['qwen2.5-vl-7b', '--gpu', 'none'], 3, /needs a GPU/],
    [['qwen2.5-vl-7b', '--gpu', 'L4', '--require', 'users>=64,context>=32768'], 3, /more than/],
  ];
  it.each(REFUSED)('%j exits %i', async (args, exit, said) => {
    const { code, stderr } = await mmdeploy(['plan', ...args, '--engine', 'vllm']);
    expect(stderr).toMatch(said);
    expect(code).toBe(exit);
  });

  it('is said for the formats that only vLLM has', async () => {
    const { code, stderr } = await mmdeploy(['plan', 'qwen2.5-vl-7b', '--quant', 'FP8']);
    expect(stderr).toMatch(/`mmdeploy plan qwen2.5-vl-7b --engine vllm --quant FP8`/);
    expect(code).toBe(2);
  });

  it('leaves a model out of a survey, not the survey', async () => {
    const flags = ['--gpu', 'RTX 4090', '--engine', 'vllm', '--quant', 'INT4', '-o', 'json'];
    const { code, stdout } = await mmdeploy(['plan', ...flags]);
    expect(code).toBe(0);
    const { candidates } = surveySchema.parse(JSON.parse(stdout));
    const ids = candidates.map(({ model }) => model.id);
    expect(ids).toContain('qwen2.5-vl-7b');
    expect(ids).not.toContain('internvl2.5-26b');
    expect(new Set(candidates.map(({ settings }) => settings?.quant))).toEqual(new Set(['INT4']));
  });
});
