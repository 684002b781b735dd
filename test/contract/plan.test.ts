import { mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { DeploymentPlan, Survey } from '../../src/contracts/plan.ts';
import { PARTS, planSchema, surveySchema } from '../../src/contracts/plan.ts';
import { writeDemoModel } from '../../src/demo/model.ts';
import {
  compileProfiles,
  loadCards,
  loadGpuPrices,
  loadPrices,
  loadProfiles,
} from '../../src/profiles/load.ts';
import { mergeLayers } from '../../src/profiles/layers.ts';
import { mmdeploy } from '../helpers/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-plan-'));
let demo: { model: string; mmproj: string };
beforeAll(async () => {
  demo = await writeDemoModel(join(folder, 'demo'));
});

async function planJson(...argv: string[]): Promise<DeploymentPlan> {
  const { code, stdout, stderr } = await mmdeploy(['plan', ...argv, '-o', 'json']);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return planSchema.parse(JSON.parse(stdout));
}

describe('plan -o json', () => {
  it('has the fields of mmdeploy.plan/v1 and no other', async () => {
    const { stdout } = await mmdeploy(['plan', 'llava-1.5-7b', '--gpu', 'RTX 4090', '-o', 'json']);
    const document = JSON.parse(stdout) as Record<string, Record<string, unknown>>;
    // Typed again on purpose: a field cannot appear or vanish by accident.
    expect(Object.keys(document)).toEqual(
      'schema machine model files settings memory verdict reasons warnings engine alternatives'.split(
        ' ',
      ),
    );
    expect(Object.keys(document['settings'] ?? {})).toEqual(
      (
        'quant encoderQuant contextPerSlot slots ctxSize ' +
        'kvType kvTypeV kvUnified swaFull cpuMoeLayers flashAttention ubatch gpuLayers imageMaxTokens'
      ).split(' '),
    );
    expect(Object.keys(document['model'] ?? {})).toEqual(
      'id name family modalities engines'.split(' '),
    );
    const devices = document['memory']?.['devices'] as Record<string, unknown>[];
    expect(Object.keys(devices[0] ?? {})).toEqual(
      'id name capacityBytes freeBytes items afterLoadBytes peakBytes'.split(' '),
    );
    expect(Object.keys((devices[0]?.['items'] as object[])[0] ?? {})).toEqual(
      'part bytes basis formula'.split(' '),
    );
    expect(Object.keys(document['engine'] ?? {})).toEqual('name minVersion args'.split(' '));
  });

  it('sums its parts, judges the peak and emits an argv that agrees with its settings', async () => {
    const plan = await planJson('llava-1.5-7b', '--gpu', 'RTX 4090');
    expect(plan.verdict).toBe('fits');
    const [gpu, host] = plan.memory.devices;
    expect(gpu?.id).toBe('gpu0');
    expect(host?.id).toBe('host');
    for (const device of plan.memory.devices) {
      expect(device.items.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(device.afterLoadBytes);
      expect(device.items.every(({ part }) => PARTS.includes(part))).toBe(true);
    }
    expect(gpu?.items.map(({ part }) => part)).toEqual([...PARTS]);
    // 24564 MiB is what nvidia-smi prints for the card; 3 % stay free, and 1 GiB is the comfort.
    expect(gpu?.capacityBytes).toBe(24564 * 1024 * 1024);
    const usable = Math.floor((gpu?.capacityBytes ?? 0) * 0.97);
    expect(usable - (gpu?.peakBytes ?? Infinity)).toBeGreaterThanOrEqual(2 ** 30);
    const { settings, engine } = plan;
    const flag = (name: string) => engine?.args[engine.args.indexOf(name) + 1];
    expect(flag('--ctx-size')).toBe(String(settings?.ctxSize));
    expect(flag('--parallel')).toBe(String(settings?.slots));
    expect(settings?.ctxSize).toBe((settings?.contextPerSlot ?? 0) * (settings?.slots ?? 0));
    expect(flag('--model')).toMatch(/^\$\{MODELS_DIR\}\/.+\.gguf$/);
    expect(flag('--mmproj')).toMatch(/^\$\{MODELS_DIR\}\/.+\.gguf$/);
    expect(flag('--host')).toBe('127.0.0.1');
  });

  it('plans a GGUF pair by its headers, with its files', async () => {
    const plan = await planJson(demo.model, '--mmproj', demo.mmproj, '--gpu', '8GiB');
    expect(plan.files.model?.path).toBe(demo.model);
    expect(plan.files.model?.bytes).toBe(readFileSync(demo.model).byteLength);
    expect(plan.files.mmproj?.path).toBe(demo.mmproj);
    const basis = new Set(plan.memory.devices.flatMap(({ items }) => items.map((i) => i.basis)));
    expect(basis).toEqual(new Set(['gguf', 'assumed']));
    expect(plan.engine?.args).toContain(demo.model);
  });

  it('finds the projector beside the model', async () => {
    const plan = await planJson(demo.model, '--gpu', 'none');
    expect(plan.files.mmproj?.path).toBe(demo.mmproj);
    expect(plan.verdict).toBe('offload');
    expect(plan.memory.devices.map(({ id }) => id)).toEqual(['host']);
  });

  it('gives an API model the verdict api and an empty memory', async () => {
    const plan = await planJson('gpt-4v', '--gpu', 'RTX 4090');
    expect(plan.model.id).toBe('gpt-4-vision-preview');
    expect(plan.verdict).toBe('api');
    expect(plan.memory.devices).toEqual([]);
    expect(plan.engine).toBeNull();
  });

  it('says what a request of the workload costs at the vendor', async () => {
    const plan = await planJson(
      ...['gpt-4o', '--gpu', 'none', '--images', '2@1920x1080'],
      ...['--text', '500', '--output-tokens', '200'],
    );
    expect(plan.verdict).toBe('api');
    // 2 x (85 + 6 x 170) + 500 at $2.50 a million, 200 at $10.
    expect(plan.request).toEqual({
      inputTokens: 2710,
      outputTokens: 200,
      range: { low: 2710, high: 2710 },
      costUsd: { input: 0.006775, output: 0.002, total: 0.008775 },
      priceAsOf: '2026-09-23',
    });
    expect(plan.reasons.join()).toMatch(/2710 tokens in, 200 out, \$0\.008775/);
    expect((await planJson('gpt-4o', '--gpu', 'none')).request).toBeUndefined();
  });

  it('knows no cost of what no rule is published for, and says when a request is too long', async () => {
    const nova = await planJson('nova-lite', '--gpu', 'none', '--images', '1@9x9');
    expect(nova.request).toMatchObject({ inputTokens: null, range: null, costUsd: null });
    expect(nova.warnings.join()).toMatch(/never measured/);
    const long = await planJson(
      ...['gpt-4o', '--gpu', 'none', '--text', '120000', '--output-tokens', '16385'],
    );
    expect(long.warnings.join()).toMatch(/longer than the 128000 .*16384 tokens at most/s);
  });

  it('plans a model without a llama.cpp projector for vLLM, and says so', async () => {
    const plan = await planJson('qwen-vl-chat', '--gpu', 'A100-80GB SXM');
    expect(plan.engine?.name).toBe('vllm');
    expect(plan.verdict).toBe('fits');
    expect(plan.warnings.join()).toMatch(/no projector/);
    const weights = plan.memory.devices[0]?.items.find(({ part }) => part === 'weights');
    // 7,721,324,544 parameters in BF16.
    expect(weights?.bytes).toBe(2 * 7_721_324_544);
  });

  it('says the caveats of a profile, and marks a tower of unknown layout as assumed', async () => {
    const own = mkdtempSync(join(folder, 'profiles-'));
    const text = readFileSync(
      new URL('../../profiles/models/qwen-vl.yaml', import.meta.url),
      'utf8',
    );
    writeFileSync(
      join(own, 'qwen-vl.yaml'),
      text
        .replace(
          'engines: [vllm]',
          'engines: [llama.cpp, vllm]\n    caveats: [its ears are not counted]',
        )
        .replace('      vllm:\n        rule', '      llama.cpp: &one\n        rule')
        .replace('    sources:', '      vllm: *one\n    sources:')
        .replace('engine: vllm', 'engine: llama.cpp'),
    );
    const plan = await planJson('qwen-vl-chat', '--gpu', 'RTX 4090', '--profiles', own);
    expect(plan.warnings).toContain('its ears are not counted');
    const bases = plan.memory.devices[0]?.items.map(({ part, basis }) => [part, basis]);
    expect(bases).toContainEqual(['weights', 'profile']);
    expect(bases).toContainEqual(['encoder-weights', 'assumed']);
  });

  it('holds the workload: slots for the users, context for the images', async () => {
    const plan = await planJson(
      ...['internvl2-26b', '--gpu', '2x A100-80GB SXM', '--users', '6'],
      ...['--images', '3@1920x1080', '--text', '500', '--output-tokens', '300'],
    );
    expect(plan.settings?.slots).toBe(6);
    // llama.cpp: 3330 tokens an image with its wrapper.
    expect(plan.settings?.contextPerSlot).toBeGreaterThanOrEqual(3 * 3330 + 800);
    expect(plan.memory.devices.map(({ id }) => id)).toEqual(['gpu0', 'gpu1', 'host']);
  });

  it('takes a machine that doctor saved', async () => {
    const doctor = await mmdeploy(['doctor', '-o', 'json']);
    expect(doctor.code).toBe(0);
    const file = join(folder, 'machine.json');
    writeFileSync(file, doctor.stdout);
    const plan = await planJson(demo.model, '--machine', file);
    expect(plan.machine).toEqual(JSON.parse(doctor.stdout));
  });

  it('prints the same document as YAML', async () => {
    const argv = ['plan', 'llava-1.5-13b', '--gpu', '24GiB', '-o'];
    const json = await mmdeploy([...argv, 'json']);
    const yaml = await mmdeploy([...argv, 'yaml']);
    expect(parse(yaml.stdout)).toEqual(JSON.parse(json.stdout));
  });

  it('surveys every profile, best first', async () => {
    const { code, stdout } = await mmdeploy(['plan', '--gpu', '24GiB', '-o', 'json']);
    expect(code).toBe(0);
    const survey: Survey = surveySchema.parse(JSON.parse(stdout));
    const order = ['fits', 'tight', 'offload', 'api', 'no'];
    const ranks = survey.candidates.map(({ verdict }) => order.indexOf(verdict));
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
    expect(survey.candidates.map(({ model }) => model.id)).toEqual(
      expect.arrayContaining(['llava-1.5-7b', 'llava-1.5-13b', 'internvl2-26b', 'gpt-4o']),
    );
  });
});

describe('plan refuses', () => {
  const cases: [string, string[], number, RegExp][] = [
    ['an unknown model, with near names', ['lava-1.5-7b'], 2, /did you mean `llava-1.5-7b`/],
    ['an unknown quant', ['llava-1.5-7b', '--quant', 'Q4_K_X'], 2, /Q4_K_M/],
    ['an unknown encoder format', ['llava-1.5-7b', '--encoder-quant', 'Q3'], 2, /F16/],
    ['an unknown KV type', ['llava-1.5-7b', '--kv-type', 'q9_0'], 2, /q8_0/],
    ['an unknown card', ['llava-1.5-7b', '--gpu', 'RTX 4091'], 2, /RTX 4090/],
    ['an unknown flag, with the near one', ['llava-1.5-7b', '--contxt', '1'], 2, /--context/],
    ['a context that is no number', ['llava-1.5-7b', '--context', '4k'], 2, /--context 4k/],
    ['a negative slot count', ['llava-1.5-7b', '--slots', '-3'], 2, /--slots/],
    ['a target without a place', ['llava-1.5-7b', '--target', 'compose'], 2, /needs to know where/],
    ['an unknown target', ['llava-1.5-7b', '--target', 'compos', '--dry-run'], 2, /no such target/],
    ['a load that is also a simulation', ['demo', '--simulate', '--verify'], 2, /exclude/],
    ['a load on another machine', ['llava-1.5-7b', '--verify'], 2, /this machine/],
    ['names of the Hub', ['hf:a/b'], 2, /not taken yet/],
    ['a machine file that is none', ['llava-1.5-7b', '--machine', 'package.json'], 2, /schema/],
    [
      'a machine file that is absent',
      ['llava-1.5-7b', '--machine', 'no.json'],
      5,
      /doctor -o json/,
    ],
    ['an absent model file', ['./absent.gguf'], 5, /absent\.gguf/],
  ];
  it.each(cases)('%s', async (_, argv, exit, says) => {
    const hasMachine = argv.includes('--gpu') || argv.includes('--machine');
    const what = hasMachine ? argv : [...argv, '--gpu', '24GiB'];
    const { code, stdout, stderr } = await mmdeploy(['plan', ...what]);
    expect(stderr).toMatch(says);
    expect(stderr).toMatch(/\n\nhint: /);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe('');
    expect(code).toBe(exit);
  });

  it('a model that does not fit: exit 3 with the document and the smallest change', async () => {
    const argv = ['plan', 'llava-1.5-13b', '--quant', 'Q8_0', '--gpu', '16GiB'];
    const { code, stdout, stderr } = await mmdeploy([...argv, '--gpu-layers', 'all', '-o', 'json']);
    expect(code).toBe(3);
    expect(planSchema.parse(JSON.parse(stdout)).verdict).toBe('no');
    const { error } = JSON.parse(stderr) as { error: { code: string; hints: string[] } };
    expect(error.code).toBe('fit.none');
    expect(error.hints.join('\n')).toMatch(/`--quant Q6_K` needs .* and fits/);
    const mended = await mmdeploy([...argv.slice(0, 2), '--quant', 'Q6_K', '--gpu', '16GiB']);
    expect(mended.code).toBe(0);
  });

  it('a projector that does not belong to the model, before any engine', async () => {
    const wide = await writeDemoModel(join(folder, 'other'), { visionWidth: 128 });
    const broken = join(folder, 'cut-mmproj.gguf');
    writeFileSync(broken, readFileSync(wide.mmproj));
    truncateSync(broken, 100_000);
    const cut = await mmdeploy(['plan', demo.model, '--mmproj', broken, '--gpu', 'none']);
    expect(cut.stderr).toMatch(/incomplete|truncated/);
    expect(cut.code).toBe(2);
    const swapped = await mmdeploy(['plan', demo.mmproj, '--mmproj', demo.model]);
    expect(swapped.stderr).toMatch(/not a projector/);
    expect(swapped.code).toBe(2);
  });
});

describe('plan as text', () => {
  it('shows machine, verdict, parts, and what to run', async () => {
    const { stdout } = await mmdeploy(['plan', 'llava-1.5-7b', '--gpu', 'RTX 4090', '--explain']);
    expect(stdout).toMatch(/^Machine {3}1 x .*4090/);
    expect(stdout).toMatch(/\nFits {6}Q8_0, encoder F16/);
    expect(stdout).toMatch(/\nencoder-weights +595\.5/);
    expect(stdout).toMatch(/slots x 4096 cells x 32 layers x 32 KV heads/);
    expect(stdout).toMatch(/\nStart {5}llama-server --model/);
    expect(stdout).not.toContain('\u001b');
  });
});

it('leaves profiles, cards and prices, which a process reads once, as they were', async () => {
  for (const argv of [
    'plan --gpu 24GiB',
    'plan --gpu 24GiB --engine vllm',
    'plan qwen2.5-vl-7b --gpu 12GiB --users 3 --images 2@1920x1080',
    'plan qwen2.5-vl-7b --recommend',
    'models',
    'estimate --image 640x480 --model gpt-4o,qwen2.5-vl-7b',
  ]) {
    expect((await mmdeploy(argv.split(' '))).code).toBe(0);
  }
  const nowhere = { user: null, flag: null };
  const { families, cards, prices, gpuPrices } = await compileProfiles();
  const { profiles } = mergeLayers([{ title: 'built-in', files: families }]);
  expect((await loadProfiles(nowhere)).profiles).toEqual(profiles);
  expect(await loadCards(nowhere)).toEqual(cards);
  expect(await loadPrices(nowhere)).toEqual(prices);
  expect(await loadGpuPrices(nowhere)).toEqual(gpuPrices);
});
