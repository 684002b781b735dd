import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeDemoModel } from '../../../src/demo/model.ts';
import { wiringFindings } from '../../../src/deploy/wiring/findings.ts';
import { unitWords } from '../../../src/deploy/wiring/unit-file.ts';
import { TARGET_NAMES } from '../../../src/render/target-names.ts';
import type { Target } from '../../../src/render/types.ts';
import { targets } from '../../../src/render/index.ts';
import { deploymentFor } from '../../../src/workflows/render-deployment.ts';
import { ENGINE_ALONE, MACHINES, planFor, rendered } from '../../helpers/deployments.ts';
import { nastyPlan } from '../../helpers/nasty-names.ts';
import { temporaryFolder } from '../../helpers/serve-supervisor.ts';

const KINDS = [
  ...Object.entries(MACHINES).flatMap(([name, gpus]) =>
    (['engine', 'gateway'] as const).map((shape) => ({
      name,
      gpus,
      shape,
      engine: 'llama.cpp' as const,
    })),
  ),
  ...(['one NVIDIA card', 'two NVIDIA cards'] as const).map((name) => ({
    name,
    gpus: MACHINES[name],
    shape: 'engine' as const,
    engine: 'vllm' as const,
  })),
];

describe.each(KINDS)('$engine, $shape, $name', ({ gpus, shape, engine }) => {
  it('every target wires the plan: its arguments, files, cards and ports', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-3b', gpus, engine });
    const deployment = await deploymentFor({
      plan,
      version: '0.1.0',
      command: '',
      options: { ...ENGINE_ALONE, shape, targets: [], groups: null },
    });
    const findings = TARGET_NAMES.flatMap((id) => {
      const target: Target = targets[id];
      if (target.refuses(deployment) !== null) return [];
      return target
        .render(deployment)
        .flatMap(({ path, reader, text }) =>
          (wiringFindings(reader, text, deployment) ?? []).map((each) => `${id} ${path}: ${each}`),
        );
    });
    expect(findings).toEqual([]);
  });
});

it('reads what was meant, whatever is in the names', async () => {
  // A colon cannot be mounted by podman, and a preset of the router knows no quotes.
  const plan = await nastyPlan(':');
  for (const shape of ['engine', 'gateway'] as const) {
    const options = { ...ENGINE_ALONE, shape, targets: [], groups: null };
    const deployment = await deploymentFor({ plan, version: '0.1.0', command: '', options });
    const ids = TARGET_NAMES.filter((id) => (targets[id] as Target).refuses(deployment) === null);
    expect(ids).toEqual(expect.arrayContaining(['llama-server', 'compose', 'systemd', 'quadlet']));
    const findings = ids.flatMap((id) =>
      targets[id]
        .render(deployment)
        .flatMap(({ reader, text }) => wiringFindings(reader, text, deployment) ?? []),
    );
    expect(findings).toEqual([]);
  }
});

it('reads a start script to its end, though a name has line breaks', async () => {
  const folder = temporaryFolder();
  const files = await writeDemoModel(folder);
  const model = join(folder, 'li\n  "ne\\\n.gguf');
  renameSync(files.model, model);
  const plan = await planFor({ model, mmproj: files.mmproj, gpus: ['none'] });
  const { text, deployment } = await rendered(plan, ['llama-server']);
  const script = text('llama-server.sh');
  expect(wiringFindings('sh', script, deployment)).toEqual([]);
  expect(wiringFindings('sh', script.replace('--metrics', ''), deployment)).toEqual([
    '`--metrics` of the plan is missing',
  ]);
});

describe('what the wiring finds in a compose file', () => {
  it.each([
    ['an argument', '--parallel', '--paralel', /`--paralel` is not of the plan/],
    [
      'a value',
      'cache-type-k\n      - f16',
      'cache-type-k\n      - q8_0',
      /`q8_0` is not of the plan/,
    ],
    [
      'a mount',
      'target: /models',
      'target: /model',
      /`--mmproj` is \/models\/.*: nothing is mounted/,
    ],
    [
      'a card',
      'device_ids:\n                - "0"',
      'device_ids:\n                - "1"',
      /uses card 0/,
    ],
    ['a port', 'target: 8080', 'target: 8000', /sent to port 8000, and it listens on 8080/],
  ])('%s', async (_, from, to, finding) => {
    const plan = await planFor({ model: 'qwen2.5-vl-3b', gpus: MACHINES['one NVIDIA card'] });
    const options = { ...ENGINE_ALONE, targets: [], groups: null };
    const deployment = await deploymentFor({ plan, version: '0.1.0', command: '', options });
    const [file] = targets.compose.render(deployment);
    const text = file?.text ?? '';
    expect(wiringFindings('compose', text, deployment)).toEqual([]);
    expect(text).toContain(from);
    const found = wiringFindings('compose', text.replace(from, to), deployment);
    expect(found).toContainEqual(expect.stringMatching(finding));
  });
});

describe('the words of a unit', () => {
  it.each([
    ['a b  c', ['a', 'b', 'c']],
    [String.raw`"a b" 'c d'`, ['a b', 'c d']],
    [String.raw`"a \"b\"" c\nd`, ['a "b"', 'c\nd']],
    ['50%% $$HOME', ['50%', '$HOME']],
    [String.raw`"two\x0alines" \x41`, ['two\nlines', 'A']],
    [`""`, ['']],
  ])('%s', (line, words) => {
    expect(unitWords(line)).toEqual(words);
  });
});

describe('what the wiring finds in a preset of the router', () => {
  it.each([
    ['a value', /^parallel = .*/m, 'parallel = 64', /`parallel = 64`: the plan has \d+/],
    ['a projector that is gone', /^mmproj = .*\n/m, '', /`mmproj = .*` of the plan is missing/],
    ['another file', /^model = .*/m, 'model = /srv/models/other.gguf', /other.gguf`: the plan has/],
    ['a key of its own', /^parallel/m, 'no-mmproj-offload = true\nparallel', /is not of the plan/],
    ['a version', /^version = 1/m, 'version = perhaps', /version of presets is 1, not perhaps/],
    ['another name', /^\[.*\]/m, '[other]', /there is no section \[qwen2.5-vl-3b\]/],
  ])('%s', async (_, from, to, said) => {
    const { text, deployment } = await preset();
    const faulty = text.replace(from, to);
    expect(faulty).not.toBe(text);
    expect(wiringFindings('router', faulty, deployment)?.join('\n')).toMatch(said);
  });

  it('leaves other models and when one is started to the operator', async () => {
    const { text, deployment } = await preset();
    const more = `${text}load-on-startup = true\n\n[another]\nmodel = /srv/models/another.gguf\n`;
    expect(wiringFindings('router', more, deployment)).toEqual([]);
  });

  async function preset() {
    const plan = await planFor({ model: 'qwen2.5-vl-3b', gpus: MACHINES.CPU });
    const options = { ...ENGINE_ALONE, targets: [], groups: null };
    const deployment = await deploymentFor({ plan, version: '0.1.0', command: '', options });
    const [file] = targets['models-ini'].render(deployment);
    return { text: file?.text ?? '', deployment };
  }
});
