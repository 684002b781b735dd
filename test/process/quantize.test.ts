import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, inject, it } from 'vitest';
import type { QuantizeResult } from '../../src/contracts/quantize.ts';
import { planSchema } from '../../src/contracts/plan.ts';
import { quantizeSchema } from '../../src/contracts/quantize.ts';
import { writeDemoModel } from '../../src/demo/model.ts';
import type { TensorInfo } from '../../src/contracts/model.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { quantise } from '../../src/layout/quantise.ts';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import { engineProgram } from '../../src/engine/sibling.ts';
import { runCommand } from '../../src/process/run.ts';
import { quantizeWorkflow } from '../../src/workflows/quantize.ts';
import { freshHome, mmdeploy } from '../helpers/cli.ts';
import { startLlama } from '../helpers/llama.ts';
import { serveContext } from '../helpers/serve-context.ts';
import { temporaryFolder } from '../helpers/serve-supervisor.ts';
import { noise, writeSmallPair } from '../helpers/small-pair.ts';

const server = inject('llamaServer') ?? '';

const small = (dims: Partial<EncoderDims> & { projectorType: string }): EncoderDims => ({
  ...{ layers: 2, embedding: 64, feedForward: 128, heads: 2, patchSize: 14, imageSize: 336 },
  ...{ merge: 1, projectionDim: 128 },
  ...dims,
});

const run = (argv: readonly string[], env: Record<string, string> = {}) =>
  mmdeploy(['models', 'quantize', ...argv], {
    extraEnv: { MMDEPLOY_LLAMA_SERVER: server, HOME: freshHome(), ...env },
  });

/** Names in the folder of the demo model besides its two files. */
const made = (folder: string) =>
  readdirSync(folder).filter((name) => !['demo.gguf', 'demo-mmproj.gguf'].includes(name));

describe.skipIf(server === '')('models quantize with the real engine', () => {
  it('makes a projector that serves, and reports its drift', async () => {
    const folder = temporaryFolder();
    const files = await writeDemoModel(folder);
    const { code, stdout, stderr } = await run([files.model, '--encoder', 'q8_0', '-o', 'json']);
    expect(code, stderr).toBe(0);
    const result = quantizeSchema.parse(JSON.parse(stdout));
    const [file] = result.files;
    const path = join(folder, 'demo-mmproj-Q8_0.gguf');
    expect(made(folder)).toEqual([basename(path)]);
    expect(file).toMatchObject({
      role: 'encoder',
      source: { path: files.mmproj, format: 'F16' },
      output: { path, format: 'Q8_0', bytes: readGgufHeader(path).fileBytes },
      tensors: { total: 43, converted: 14, others: 0 },
    });
    expect(file?.tensors.kept.map(({ name }) => name)).toEqual([
      'v.patch_embd.weight',
      'v.position_embd.weight',
    ]);
    expect(result.loaded).toEqual({ model: files.model, mmproj: path });
    // The demo model says the same whatever it sees: all of its 311 tokens, no drift.
    const [comparison] = result.drift?.comparisons ?? [];
    expect(comparison).toMatchObject({
      changed: ['encoder'],
      positions: 24,
      sameTop: 24,
      bound: false,
    });
    expect(comparison?.klDivergence.max).toBeLessThan(1e-6);

    const llama = await startLlama(server, ['-m', files.model, '--mmproj', path, '-c', '4096']);
    try {
      const chat = { messages: [{ role: 'user', content: 'hi' }], max_tokens: 2 };
      expect(await llama.post('/v1/chat/completions', chat)).toMatchObject({ choices: [{}] });
    } finally {
      await llama.stop();
    }
  }, 120_000);

  it('tells the drift of each new file and of both, larger for fewer bits', async () => {
    const own = temporaryFolder();
    const { model } = await writeSmallPair(own, small({ projectorType: 'mlp' }), [], noise);
    const { ctx } = serveContext({ MMDEPLOY_LLAMA_SERVER: server });
    const picture = join(own, 'picture.png');
    const plain = { width: 64, height: 48, channels: 3, background: '#d62' } as const;
    await sharp({ create: plain }).png().toFile(picture);
    const ask = (weights: string, encoder: string): Promise<QuantizeResult> =>
      quantizeWorkflow(
        {
          ...{ name: model, mmproj: null, profilesDir: null, formats: { encoder, weights } },
          ...{ out: null, force: false, allowRequantize: false, llamaServer: null },
          drift: { measure: true, images: [picture] },
        },
        ctx,
      );
    const fine = (await ask('Q8_0', 'Q8_0')).drift?.comparisons ?? [];
    const coarse = (await ask('Q4_0', 'Q4_0')).drift?.comparisons ?? [];
    expect(fine.map(({ changed }) => changed)).toEqual([
      ['encoder'],
      ['weights'],
      ['encoder', 'weights'],
    ]);
    for (const [at, comparison] of fine.entries()) {
      expect(comparison.klDivergence.mean).toBeGreaterThan(0);
      const more = coarse[at]?.klDivergence.mean ?? 0;
      expect(more).toBeGreaterThan(comparison.klDivergence.mean);
    }
    expect(made(own).sort()).toEqual([
      'picture.png',
      'small-Q4_0.gguf',
      'small-Q8_0.gguf',
      'small-mmproj-Q4_0.gguf',
      'small-mmproj-Q8_0.gguf',
      'small-mmproj.gguf',
      'small.gguf',
    ]);
  }, 120_000);

  it('makes what was planned: the plan of the new files is that of the files to be made', async () => {
    const { model, mmproj } = await writeDemoModel(temporaryFolder());
    const flags = ['--quant', 'Q4_K_M', '--encoder-quant', 'Q8_0', '--gpu', '8GiB', '-o', 'json'];
    const planned = async () =>
      planSchema.parse(JSON.parse((await mmdeploy(['plan', model, ...flags])).stdout));
    const before = await planned();
    const [program, ...argv] = before.files.model?.make?.command.split(' ') ?? [];
    expect([program, ...argv.slice(0, 3)]).toEqual(['mmdeploy', 'models', 'quantize', model]);
    const { code, stderr } = await run([...argv.slice(2), '--no-drift']);
    expect(code, stderr).toBe(0);
    const after = await planned();
    expect(after.files).toMatchObject({
      model: { path: before.files.model?.make?.output },
      mmproj: { path: before.files.mmproj?.make?.output },
    });
    expect(before.files.mmproj?.make?.from).toBe(mmproj);
    expect(after.memory).toEqual(before.memory);
    expect(after.warnings.join('\n')).not.toContain('models quantize');
  }, 60_000);

  // What our sizes say of a projector is what llama-quantize does with it.
  it.each([
    small({ projectorType: 'gemma3', imageSize: 896, merge: 4 }),
    small({ projectorType: 'glm4v', merge: 2 }),
    small({ projectorType: 'internvl', imageSize: 448, merge: 2 }),
    small({ projectorType: 'pixtral', imageSize: 1540, merge: 2 }),
    small({ projectorType: 'qwen2.5vl_merger', imageSize: 560, merge: 2 }),
    small({ projectorType: 'qwen3vl_merger', patchSize: 16, imageSize: 768, merge: 2 }),
    small({ projectorType: 'resampler', imageSize: 448, positions: 4900, queries: 64 }),
    small({
      projectorType: 'ultravox',
      patchSize: 0,
      imageSize: 0,
      melBins: 80,
      stack: 8,
      projectorHidden: 128,
    }),
  ])('knows which tensors of $projectorType are converted', async (dims) => {
    const { mmproj } = await writeSmallPair(temporaryFolder(), dims);
    const program = engineProgram(server, ['llama-quantize'], process.platform) ?? '';
    for (const format of ['Q8_0', 'BF16', 'F32']) {
      const output = join(dirname(mmproj), `${format}.gguf`);
      const args = [mmproj, output, format];
      expect((await runCommand(program, args, { timeoutMs: 30_000 })).code).toBe(0);
      const clip = { arch: 'clip', layers: 0, heads: 0, kvHeads: 0 };
      const ours = quantise(readGgufHeader(mmproj).tensors, format, clip);
      const theirs = readGgufHeader(output).tensors;
      const types = (tensors: readonly TensorInfo[]) =>
        tensors.map(({ name, type }) => `${name} ${type}`).sort();
      expect(types(ours)).toEqual(types(theirs));
    }
  });

  describe('refuses', () => {
    it.each([
      ['an unknown format', ['--encoder', 'Q9'], /it makes .*Q4_K_M.*Q8_0/],
      ['a second name of a mix', ['--weights', 'Q4_K'], /did you mean `--weights Q4_K_M`/],
      ['the format it is in', ['--weights', 'F16'], /is in F16 already/],
      [
        'to write over its source',
        ['--encoder', 'BF16', '--out', 'SOURCE'],
        /the file that is read/,
      ],
      ['a place that is not there', ['--encoder', 'BF16', '--out', '/no/where.gguf'], /mkdir -p/],
      ['another ending', ['--encoder', 'BF16', '--out', 'x.bin'], /does not end in \.gguf/],
      [
        'two files under one name',
        ['--encoder', 'BF16', '--weights', 'Q8_0', '--out', 'x.gguf'],
        /one file/,
      ],
      ['nothing to do', [], /mmdeploy models quantize \S+ --encoder Q8_0/],
      [
        'a picture that is none',
        ['--encoder', 'BF16', '--images', 'package.json'],
        /is not an image/,
      ],
    ])('%s', async (_, args, words) => {
      const own = temporaryFolder();
      const { model, mmproj } = await writeDemoModel(own);
      const given = args.map((arg) => (arg === 'SOURCE' ? mmproj : arg));
      const { code, stdout, stderr } = await run([model, ...given]);
      expect(stderr).toMatch(words);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(made(own)).toEqual([]);
    });

    it('its own source through a link', async () => {
      const own = temporaryFolder();
      const { model, mmproj } = await writeDemoModel(own);
      symlinkSync(mmproj, join(own, 'link.gguf'));
      const args = [model, '--encoder', 'Q8_0', '--force', '--out', join(own, 'link.gguf')];
      const { code, stderr } = await run(args);
      expect(stderr).toMatch(/the file that is read/);
      expect(code).toBe(2);
    });

    it('to replace a file unless it is told to', async () => {
      const own = temporaryFolder();
      const { model } = await writeDemoModel(own);
      const target = join(own, 'demo-mmproj-Q8_0.gguf');
      writeFileSync(target, 'something else');
      const { code, stderr } = await run([model, '--encoder', 'Q8_0', '--no-drift']);
      expect(stderr).toMatch(/is already there.*\n\nhint: .*--force/);
      expect(code).toBe(2);
      const again = await run([model, '--encoder', 'Q8_0', '--no-drift', '--force', '-q']);
      expect(again).toMatchObject({ code: 0, stdout: `${target}\n` });
    });

    it('to start from a quantised file, unless it is told to', async () => {
      const own = temporaryFolder();
      const { model } = await writeDemoModel(own);
      await run([model, '--weights', 'Q8_0', '--no-drift']);
      const quantised = join(own, 'demo-Q8_0.gguf');
      const { code, stderr } = await run([quantised, '--weights', 'Q4_0']);
      expect(stderr).toMatch(/is quantised already \(Q8_0\)/);
      expect(code).toBe(2);
      const flags = ['--weights', 'Q4_0', '--allow-requantize', '--no-drift', '-q'];
      expect(await run([quantised, ...flags])).toMatchObject({
        code: 0,
        stdout: `${join(own, 'demo-Q4_0.gguf')}\n`,
      });
    });

    it('--encoder for a model without a projector', async () => {
      const own = temporaryFolder();
      const { model, mmproj } = await writeDemoModel(own);
      chmodSync(mmproj, 0o644);
      const alone = join(temporaryFolder(), 'alone.gguf');
      linkSync(model, alone);
      const { code, stderr } = await run([alone, '--encoder', 'Q8_0']);
      expect(stderr).toMatch(/no projector was given for .*alone.gguf/);
      expect(code).toBe(2);
    });

    it('what is no GGUF file, and a profile whose files are not here', async () => {
      const text = join(temporaryFolder(), 'text.gguf');
      writeFileSync(text, 'not a model at all');
      expect(await run([text, '--weights', 'Q8_0'])).toMatchObject({ code: 2, stdout: '' });
      const { code, stderr } = await run(['llava-1.5-7b', '--encoder', 'Q8_0']);
      expect(stderr).toMatch(
        /fetch llava-v1.5-7b-mmproj-model-f16.gguf of second-state\/Llava-v1.5-7B-GGUF: `curl -fLO https:/,
      );
      expect(code).toBe(5);
    });
  });

  it('takes the files of a profile from MODELS_DIR and names the new one as its plan does', async () => {
    const own = temporaryFolder();
    const { model, mmproj } = await writeDemoModel(own);
    linkSync(model, join(own, 'llava-1.5-7b-F16.gguf'));
    linkSync(mmproj, join(own, 'llava-v1.5-7b-mmproj-model-f16.gguf'));
    const args = ['llava-1.5-7b', '--encoder', 'Q8_0', '--no-drift', '-q'];
    const { stdout, stderr } = await run(args, { MODELS_DIR: own });
    expect(stdout, stderr).toBe(`${join(own, 'llava-1.5-7b-mmproj-Q8_0.gguf')}\n`);
    const flags = ['--encoder-quant', 'Q8_0', '--gpu', 'none', '-o', 'json'];
    const plan = await mmdeploy(['plan', 'llava-1.5-7b', ...flags]);
    expect(JSON.parse(plan.stdout).engine.args).toContain(
      '${MODELS_DIR}/llava-1.5-7b-mmproj-Q8_0.gguf',
    );
  });
});

/** A llama-server that answers the probe, beside a llama-quantize that behaves as `script` says. */
function fakeEngine(script: string): string {
  const bin = join(temporaryFolder(), 'bin');
  mkdirSync(bin);
  const program = (name: string, body: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    return join(bin, name);
  };
  const help = '  7  or  Q8_0    :  7.96G, +0.0026 ppl @ Llama-3-8B';
  program(
    'llama-quantize',
    `case "$*" in\n--help) echo "${help}";;\n--dry-run*) echo 'quant size  =     0.22 MiB';;\n*) ${script};;\nesac`,
  );
  const flags = ['model', 'mmproj', 'host', 'port', 'ctx-size', 'parallel', 'ubatch-size'];
  const options = [...flags, 'n-gpu-layers'].map((name) => `--${name} VALUE  what it is`);
  return program(
    'llama-server',
    [
      'case "$1" in',
      "--version) echo 'version: 11669 (abc)' ;;",
      `--help) printf '%s\\n' ${options.map((line) => `'${line}'`).join(' ')} ;;`,
      "--list-devices) echo 'Available devices:' ;;",
      '*) exit 1 ;;',
      'esac',
    ].join('\n'),
  );
}

describe.skipIf(process.platform === 'win32')('models quantize when llama-quantize fails', () => {
  const attempt = async (engine: string, interrupt?: (target: string) => void) => {
    const { ctx, interrupt: abort } = serveContext({ MMDEPLOY_LLAMA_SERVER: engine });
    const { model } = await writeDemoModel(ctx.cwd);
    const watched = {
      ...ctx,
      progress: (state: unknown) => {
        if (state === null || interrupt === undefined) return;
        interrupt(ctx.cwd);
        abort();
      },
    };
    const request = {
      ...{ name: model, mmproj: null, profilesDir: null },
      ...{ formats: { encoder: 'Q8_0', weights: null }, out: null, force: false },
      ...{ allowRequantize: false, llamaServer: null, drift: { measure: false, images: [] } },
    };
    const error: unknown = await quantizeWorkflow(request, watched).catch(
      (thrown: unknown) => thrown,
    );
    return { error, left: made(ctx.cwd).filter((name) => name.includes('mmproj')) };
  };

  it('says so in its words and leaves nothing', async () => {
    const { error, left } = await attempt(
      fakeEngine('echo half > "$2"; echo "it broke" >&2; exit 1'),
    );
    expect(error).toMatchObject({ code: 'engine.crashed', details: ['it broke'] });
    expect(left).toEqual([]);
  });

  it('knows a full disk', async () => {
    const words = 'failed to quantize: basic_ios::clear: iostream error';
    const { error } = await attempt(fakeEngine(`echo "${words}" >&2; exit 1`));
    expect(error).toMatchObject({ code: 'system.refused' });
  });

  it('looks into what it wrote', async () => {
    const { error, left } = await attempt(fakeEngine('echo half > "$2"'));
    expect(error).toMatchObject({ code: expect.stringMatching(/^gguf\./) });
    expect(left).toEqual([]);
  });

  it('keeps nothing that the engine does not load', async () => {
    const { error, left } = await attempt(fakeEngine('cp "$1" "$2"'));
    expect(error).toMatchObject({ code: 'engine.crashed', message: /does not take it/ });
    expect(left).toEqual([]);
  });

  it('stops at once when it is interrupted, and removes what there was', async () => {
    let written: string[] = [];
    const script = 'echo half > "$2"; echo "[ 1/ 2] a" >&2; sleep 60';
    const { error, left } = await attempt(fakeEngine(script), (folder) => {
      written = readdirSync(folder).filter((name) => name.endsWith('.part'));
    });
    expect(error).toMatchObject({ code: 'interrupted' });
    expect(written).toHaveLength(1);
    expect(left).toEqual([]);
  });

  it('says that it is absent', async () => {
    const engine = fakeEngine('true');
    const alone = join(temporaryFolder(), 'llama-server');
    linkSync(engine, alone);
    const { error } = await attempt(alone);
    expect(error).toMatchObject({
      code: 'tool.missing',
      hints: [expect.stringContaining('`mmdeploy engine install --force`')],
    });
    expect(existsSync(alone)).toBe(true);
  });
});
