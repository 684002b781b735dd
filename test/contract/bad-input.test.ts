import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeDemoModel } from '../../src/demo/model.ts';
import { mmdeploy } from '../helpers/cli.ts';
import { ggufBytes } from '../helpers/gguf-bytes.ts';

const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-bad-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (...parts: string[]) => join(folder, ...parts);

const LLAVA = ['llava-1.5-7b', '--gpu', '24GiB'] as const;

/** A family that is in order, to be spoilt. */
const FAMILY = `family: mine
title: Mine
variants:
  - id: mine-1b
    name: Mine 1B
    repository: null
    licence: none
    confidence: read
    modalities: [text]
    engines: [api]
    sources: [example.com]
    examples: []
`;

function profiles(name: string, text: string): void {
  mkdirSync(at(name));
  writeFileSync(at(name, 'mine.yaml'), text);
}

beforeAll(async () => {
  await writeDemoModel(at('demo'));
  mkdirSync(at('empty'));
  writeFileSync(at('text.gguf'), 'not found\n');
  writeFileSync(at('nothing.gguf'), '');
  symlinkSync('/dev/null', at('device.gguf'));
  const { model } = await writeDemoModel(at('cut'));
  truncateSync(model, 5000);
  const keys = [
    ['general.architecture', { t: 'str', v: 'llama' }],
    ['split.count', { t: 'u16', v: 3 }],
    ['split.no', { t: 'u16', v: 0 }],
  ] as const;
  for (const part of [1, 3]) {
    writeFileSync(at(`split-0000${part}-of-00003.gguf`), ggufBytes({ keys }));
  }
  writeFileSync(at('v2.json'), '{"schema":"mmdeploy.machine/v2"}');
  writeFileSync(at('half.json'), '{"schema":"mmdeploy.machine/v1","origin":"x"}');
  profiles('unknown-key', FAMILY.replace('licence:', 'license:'));
  profiles('bad-value', FAMILY.replace('confidence: read', 'confidence: surely'));
  profiles('no-yaml', 'models: [}');
  profiles('twice', `${FAMILY}${FAMILY.slice(FAMILY.indexOf('  - id'))}`);
});

/** What is given, the exit code, what the message names, and what the hint offers. */
type Row = readonly [argv: readonly string[], exit: number, message: RegExp, hint: RegExp];

const FILES: readonly Row[] = [
  [['none.gguf'], 5, /none\.gguf: no such file/, /mmdeploy plan .*\.gguf/],
  [['empty'], 2, /empty: a folder, not a GGUF file/, /`mmdeploy plan MODEL\.gguf`/],
  [['device.gguf'], 2, /a device or pipe/, /`mmdeploy plan/],
  [['text.gguf'], 2, /a text, not a model: it says "not found"/, /`mmdeploy plan/],
  [['nothing.gguf'], 2, /the file is empty/, /`mmdeploy plan/],
  [['cut/demo.gguf'], 2, /5000 of at least \d+ bytes are there/, /`curl -L -C - /],
  [
    ['split-00001-of-00003.gguf'],
    5,
    /split-00002-of-00003\.gguf: no such file, but .* is one of 3 files/,
    /fetch split-00002-of-00003\.gguf into/,
  ],
  [
    ['demo/demo-mmproj.gguf'],
    2,
    /is a projector, not a language model/,
    /demo\/demo\.gguf --mmproj/,
  ],
  [
    ['demo/demo.gguf', '--mmproj', 'none.gguf'],
    5,
    /--mmproj .*none\.gguf`: no such file/,
    /demo\.gguf --mmproj .*demo-mmproj\.gguf`/,
  ],
  [['demo/demo.gguf', '--mmproj', 'demo/demo.gguf'], 2, /is not a projector/, /same repository/],
  [['demo/demo.gguf', '--quant', 'Q9'], 2, /Q9/, /Q8_0/],
  [['demo/demo.gguf', '--engine', 'vllm'], 2, /does not run on vllm/, /plan .*\/demo\.gguf --eng/],
  [['llava-1.5'], 2, /unknown model `llava-1\.5`/, /`llava-1\.5-7b`/],
  [['hf:owner/repo'], 2, /models of the Hub are not taken yet/, /`mmdeploy plan \.\/MODEL/],
];

const WHOLE = /give a whole number from \d+ to \d+, as in `--/;
const NUMBERS: readonly Row[] = [
  '--context',
  '--slots',
  '--ubatch',
  '--image-max-tokens',
  '--users',
]
  .flatMap((flag) =>
    ['0', '-1', '1.5', '1e5', 'many', '', '99999999999'].map((value) => [flag, value]),
  )
  .concat(
    ['--gpu-layers', '--n-cpu-moe', '--text', '--output-tokens'].flatMap((flag) =>
      ['-1', '1.5', 'many', ''].map((value) => [flag, value]),
    ),
  )
  .map(([flag = '', value = '']) => [
    [...LLAVA, `${flag}=${value}`],
    2,
    new RegExp(`\`${flag} ${value === '' ? '""' : value}\` is not`),
    WHOLE,
  ]);

const SIZES: readonly Row[] = [
  [[...LLAVA, '--tensor-split', '1,x'], 2, /1,x` is not a list of shares/, /`--tensor-split 3,1`/],
  [[...LLAVA, '--tensor-split', '0,0'], 2, /0,0` is not a list of shares/, /`--tensor-split 3,1`/],
  [
    [...LLAVA, '--tensor-split', '1,1'],
    2,
    /2 shares, and the machine has 1 GPU/,
    /leave `--tensor/,
  ],
  [
    ['llava-1.5-7b', '--gpu', '3x 8GiB', '--tensor-split', '1,1'],
    2,
    /2 shares, and the machine has 3 GPUs/,
    /`--tensor-split 1,1,1`/,
  ],
  [[...LLAVA, '--images', '2@10'], 2, /`--images 2@10` is not N@WxH/, /2@1920x1080/],
  [[...LLAVA, '--images', '0@10x10'], 2, /is not N@WxH/, /2@1920x1080/],
  [[...LLAVA, '--images', '1@9999999x10'], 2, /is not N@WxH/, /2@1920x1080/],
  [
    [...LLAVA, '--context', '100000000', '--slots', '65536'],
    2,
    /kv-cache comes to no size that memory has: 65536 slots x/,
    /a smaller `--context`/,
  ],
];

const NAMES: readonly Row[] = [
  [[...LLAVA, '--kv-type', 'q8'], 2, /`--kv-type q8`: unknown KV cache type/, /mean `q8_0`/],
  [[...LLAVA, '--kv-type-v', 'q5'], 2, /`--kv-type-v q5`/, /`q5_0`/],
  [[...LLAVA, '--quant', 'Q4KM'], 2, /unknown quant `Q4KM`/, /nearest names: Q4_K_M/],
  [[...LLAVA, '--encoder-quant', 'Q5'], 2, /unknown encoder format `Q5`/, /F32, F16, BF16, Q8_0/],
  [[...LLAVA, '--engine', 'vlm'], 2, /`--engine vlm`: no such choice/, /mean `--engine vllm`/],
  [[...LLAVA, '-o', 'xml'], 2, /`--output xml`: no such choice/, /takes table, json, yaml/],
  [[...LLAVA, '--contxt', '5'], 2, /unknown option '--contxt'/, /mean `--context`/],
  [['llava-1.5-7b', '--gpu', 'RTX 409'], 2, /unknown GPU `RTX 409`/, /`RTX 4090`/],
  [['llava-1.5-7b', '--gpu', ''], 2, /unknown GPU/, /`mmdeploy plan --gpu 24GiB`/],
  [['llava-1.5-7b', '--gpu', '0GiB'], 2, /unknown GPU `0GiB`/, /`mmdeploy plan --gpu 24GiB`/],
  [['llava-1.5-7b', '--gpu', '0x L4'], 2, /asks for 0 cards/, /`mmdeploy plan --gpu none`/],
];

const MACHINES: readonly Row[] = [
  [['--machine', 'none.json'], 5, /none\.json`: no such file/, /`mmdeploy doctor -o json > /],
  [['--machine', 'empty'], 5, /empty`: it is a folder/, /`mmdeploy doctor -o json > /],
  [['--machine', 'text.gguf'], 2, /text\.gguf is not JSON/, /`mmdeploy doctor -o json > /],
  [
    ['--machine', 'v2.json'],
    2,
    /"mmdeploy\.machine\/v2", wanted mmdeploy\.machine\/v1/,
    /--version/,
  ],
  [['--machine', 'half.json'], 2, /half\.json: os: /, /`mmdeploy doctor -o json > /],
  [['--profiles', 'none'], 5, /--profiles .*none` is no folder/, /`mmdeploy models` lists/],
  [['--profiles', 'text.gguf'], 5, /text\.gguf` is no folder/, /`mmdeploy models` lists/],
  [
    ['--profiles', 'empty'],
    5,
    /empty` holds no YAML file/,
    /`mmdeploy models llava-1\.5-7b -o yaml`/,
  ],
  [
    ['--profiles', 'unknown-key'],
    2,
    /mine\.yaml:7:5: variants\[0\]\.license: unknown key, did you mean `licence`/,
    /`mmdeploy models llava-1\.5-7b -o yaml`/,
  ],
  [['--profiles', 'bad-value'], 2, /mine\.yaml:8:5: variants\[0\]\.confidence: /, /`mmdeploy mod/],
  [['--profiles', 'no-yaml'], 2, /mine\.yaml:1:\d+: /, /`mmdeploy models/],
  [['--profiles', 'twice'], 2, /mine-1b/, /./],
];

const TERMS = /`--require "users>=8,context>=8192,quant>=Q4_K_M"`/;
const REQUIRED: readonly Row[] = [
  [[...LLAVA, '--require', ''], 2, /an empty term in `--require ""`/, TERMS],
  [[...LLAVA, '--require', 'users>=8,,context>=1'], 2, /an empty term/, TERMS],
  [[...LLAVA, '--require', 'users>=0'], 2, /`users>=0` .*a whole number from 1/, TERMS],
  [[...LLAVA, '--require', 'users>=1.5'], 2, /`users>=1\.5` .*a whole number from 1/, TERMS],
  [[...LLAVA, '--require', 'users<=5'], 2, /`users<=5` .*only `>=` is understood/, TERMS],
  [[...LLAVA, '--require', 'user>=5'], 2, /`user>=5` .*is not a requirement/, /mean `users`/],
  [[...LLAVA, '--require', 'quant>=Q9'], 2, /`quant>=Q9`: no such value/, /Q4_K_M/],
  [[...LLAVA, '--require', 'ttft<=2s'], 2, /`ttft<=2s` in `--require` is not there yet/, /users, /],
  [['--require', 'users>=2'], 2, /`--require "users>=2"` needs a model/, /`mmdeploy plan MODEL/],
  [['gpt-4o', '--require', 'users>=2'], 2, /runs at its vendor/, /`mmdeploy plan gpt-4o`/],
];

const CONTRADICTIONS: readonly Row[] = [
  [[...LLAVA, '--machine', 'v2.json'], 2, /`--gpu` and `--machine` exclude each other/, /give one/],
  [
    [...LLAVA, '--gpu', 'none'],
    2,
    /`--gpu none` excludes the others: `24GiB`/,
    /leave `--gpu none`/,
  ],
  [[...LLAVA, '--slots', '2', '--users', '3'], 2, /need 3 slots, and `--slots 2`/, /`--slots 3`/],
  [[...LLAVA, '--simulate', '--verify'], 2, /exclude each other/, /`--simulate` needs neither/],
  [
    [...LLAVA, '--verify'],
    2,
    /loads the model on this machine/,
    /leave `--gpu` and `--machine` out/,
  ],
  [
    ['llava-1.5-7b', '--recommend', '--simulate'],
    2,
    /exclude each other/,
    /leave `--simulate` out/,
  ],
  [[...LLAVA, '--recommend'], 2, /`--recommend` and `--gpu` exclude/, /leave `--gpu` out/],
  [['--simulate'], 2, /`--simulate` needs a model/, /`mmdeploy plan MODEL --simulate`/],
  [['--recommend'], 2, /`--recommend` needs a model/, /`mmdeploy models --vram`/],
  [['llava-1.5-7b', 'llava-1.5-13b'], 2, /too many arguments/, /`mmdeploy help`/],
  [['llava-1.5-7b', '--mmproj', 'p.gguf'], 2, /goes with a GGUF file/, /leave `--mmproj` out/],
  [
    ['gpt-4o', '--quant', 'Q4_K_M'],
    2,
    /`--quant`: `gpt-4o` runs at its vendor/,
    /`mmdeploy estima/,
  ],
  [['gpt-4o', '--engine', 'vllm'], 2, /`gpt-4o` does not run on vllm/, /`mmdeploy estimate/],
  [['qwen-vl-chat', '--engine', 'llama.cpp'], 2, /does not run on llama\.cpp/, /--engine vllm`/],
  [['llava-1.5-7b', '-i'], 2, /needs a terminal/, /`mmdeploy plan MODEL --gpu/],
  [[...LLAVA, '--target=compose'], 2, /`--target` needs to know where to/, /`--write DIR`/],
  [[...LLAVA, '--target=compos', '--dry-run'], 2, /`--target compos`: no such/, /mean `compose`/],
  [[...LLAVA, '--target=compose', '--write='], 2, /`--write` names no folder/, /`--write \.`/],
  [
    [...LLAVA, '--target=compose', '--dry-run', '--host=a b'],
    2,
    /`--host a b` is no/,
    /127\.0\.0\.1/,
  ],
  [[...LLAVA, '--target=slurm', '--dry-run'], 2, /`--target slurm` is not there yet/, /there are/],
  [[...LLAVA, '--target=compose', '--dry-run', '--with=x'], 2, /`--with x`/, /monitoring/],
  [
    [...LLAVA, '--target=compose', '--dry-run', '--models-dir=m'],
    2,
    /no absolute/,
    /\/srv\/models/,
  ],
  ...['--write=out', '--dry-run', '--force', '--gateway', '--cdi', '--port=1'].map((flag): Row => [
    [...LLAVA, flag],
    2,
    new RegExp(`\`${flag.split('=')[0] ?? ''}\` needs a \`--target\``),
    /there are .*compose/,
  ]),
];

describe.each(Object.entries({ FILES, NUMBERS, SIZES, NAMES, MACHINES, REQUIRED, CONTRADICTIONS }))(
  'bad %s',
  (_, rows) => {
    it.each(rows)('plan %j: exit %i', async (argv, exit, message, hint) => {
      const { code, stdout, stderr } = await mmdeploy(['plan', ...argv], { cwd: folder });
      expect({ code, stdout }, stderr).toEqual({ code: exit, stdout: '' });
      const [first = '', ...rest] = stderr.split('\n');
      expect(first).toMatch(/^error: .* \([a-z.-]+\)$/);
      expect(first).toMatch(message);
      const hints = rest.filter((line) => line.startsWith('hint: '));
      expect(hints.join('\n')).toMatch(hint);
      // Hints begin in lower case; neither a stack nor the system's own words.
      expect(hints.filter((line) => /^hint: [A-Z]/.test(line))).toEqual([]);
      expect(stderr).not.toMatch(/^\s+at |bug in mmdeploy|E[A-Z]{4,}:|undefined|NaN|\[object/m);
    });
  },
);

describe('what llama-server would refuse', () => {
  it.each([
    [[...LLAVA, '--slots', '300'], /at most 256 slots, and 300 slots are asked for/],
    [[...LLAVA, '--users', '300'], /at most 256 slots, and 300 users/],
    [['llava-1.5-7b', '--gpu', '17x 24GiB'], /at most 15 GPUs, and there are 17/],
    [['qwen2.5-vl-7b', '--gpu', '24GiB', '--image-max-tokens', '5'], /below the 8 tokens/],
    [
      ['llava-1.5-7b', '--gpu', '80GiB', '--slots', '200', '--context', '50000000'],
      /more than llama-server can be told/,
    ],
  ] as const)('plan %j is no plan', async (argv, message) => {
    const { code, stdout, stderr } = await mmdeploy(['plan', ...argv, '-o', 'json']);
    expect(code).toBe(3);
    const plan = JSON.parse(stdout) as { verdict: string; reasons: string[] };
    expect(plan.verdict).toBe('no');
    expect(plan.reasons[0]).toMatch(message);
    expect(stderr).toMatch(message);
  });
});

describe('what changes nothing', () => {
  it.each([
    [[...LLAVA, '--image-max-tokens', '50'], /`--image-max-tokens 50` changes nothing/],
    [[...LLAVA, '--cpu-moe'], /`--cpu-moe` changes nothing: `llava-1\.5-7b` has no experts/],
    [[...LLAVA, '--swa-full'], /`--swa-full` changes nothing: no layer/],
    [['demo', '--gpu', 'none', '--gpu-layers', '20'], /`--gpu-layers 20` changes nothing: no GPU/],
    [['demo', '--gpu', 'none', '--no-mmproj-offload'], /`--no-mmproj-offload` changes nothing/],
  ] as const)('plan %j says so', async (argv, warning) => {
    const { code, stderr } = await mmdeploy(['plan', ...argv]);
    expect(code).toBe(0);
    expect(stderr).toMatch(warning);
  });
});
