import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT_CODES } from '../../src/errors.ts';
import { COMMANDS } from '../../src/cli/commands/index.ts';
import { cliReference } from '../../src/cli/reference.ts';
import { mmdeploy } from '../helpers/cli.ts';

describe('mmdeploy', () => {
  it('without arguments says what it is and what to try, exit 0', async () => {
    const { code, stdout, stderr } = await mmdeploy([]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/mmdeploy plan .*\n.*mmdeploy estimate .*\n.*\n.*mmdeploy serve /);
  });

  it('prints the version of package.json', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect((await mmdeploy(['--version'])).stdout).toBe(`${version}\n`);
  });

  it('refuses an unknown command with the near one, exit 2', async () => {
    const { code, stdout, stderr } = await mmdeploy(['estimat']);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/did you mean `estimate`/);
  });

  it('gives one JSON object on stderr for an error in JSON mode', async () => {
    const { code, stdout, stderr } = await mmdeploy(['models', 'nope', '-o', 'json']);
    expect(stdout).toBe('');
    expect(code).toBe(2);
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: 'usage.unknown-model', exitCode: 2 },
    });
  });

  it('documents every exit code', async () => {
    const { stdout } = await mmdeploy(['help', 'exit-codes']);
    for (const [name, { code }] of Object.entries(EXIT_CODES)) {
      expect(stdout).toMatch(new RegExp(`^ *${code}  ${name} `, 'm'));
    }
  });

  it('answers `engine` and `help` alone with help on stdout, exit 0', async () => {
    for (const argv of [['engine'], ['help'], ['help', 'engine']]) {
      const { code, stdout, stderr } = await mmdeploy(argv);
      expect({ argv, code, stderr }).toEqual({ argv, code: 0, stderr: '' });
      expect(stdout).toMatch(/^Usage: mmdeploy/);
    }
    const nested = await mmdeploy(['help', 'engine', 'install']);
    expect(nested.stdout).toMatch(/^Usage: mmdeploy engine install/);
  });

  it.each([
    [['engine', 'instal'], /unknown command `engine instal`[^]*`mmdeploy engine install`/],
    [['help', 'exit-code'], /no command or topic `exit-code`[^]*`mmdeploy help exit-codes`/],
    [['help', 'engine', 'foo'], /no command or topic `foo`[^]*install, list, path/],
    [['doctor', '--raw', '-o', 'json'], /`--raw` prints text/],
    [['plan', 'demo', '--slots', '0'], /`--slots 0` is not from 1 to 65536/],
    [['estimate', '--image', '9x9', '--as-of', '2026-02-30'], /`--as-of 2026-02-30` is not a day/],
    [['estimate', '--audio', '5m', '--model', 'gpt-audio'], /`--audio 5m`: not SECONDSs/],
    [['estimate', '--video', '5s', '--model', 'gpt-4o'], /`--video 5s`: not SECONDSs@WIDTHxHEIGHT/],
    [
      ['estimate', '--image', '9x9', '--media-resolution', 'huge'],
      /`--media-resolution` takes low, medium/,
    ],
    [['plan', 'demo', '--slots', 'two'], /`--slots two` is not a whole number/],
    [['plan', 'llava-1.5-7b', '--mmproj', 'p.gguf'], /`--mmproj p.gguf` goes with a GGUF file/],
    [
      ['estimate', '--image', '9x9', '--model', 'llava-1.5-7b', '--mmproj', 'p.gguf'],
      /leave `--mmproj` out/,
    ],
    [['serve', '--demo', '--port', '70000'], /`--port 70000` is not from 0 to 65535/],
  ] as const)('refuses %j, exit 2', async (argv, said) => {
    const { code, stdout, stderr } = await mmdeploy(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/hint: |"hints":\["/);
    expect(stderr).toMatch(said);
  });

  it('names each missing file of a profile with the command that fetches it, exit 5', async () => {
    const argv = ['serve', 'llava-1.5-7b', '--quant', 'Q4_K_M', '--gpu', 'none'];
    const { code, stdout, stderr } = await mmdeploy(argv);
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
    const fetched = [...stderr.matchAll(/`curl -fLO https:\/\/huggingface\.co\/\S+\/(\S+)`/g)];
    const [model, mmproj] = fetched.map(([, name]) => `./${name ?? ''}`);
    expect(fetched).toHaveLength(2);
    expect(stderr).toContain(`\`mmdeploy serve ${model ?? ''} --mmproj ${mmproj ?? ''}\``);
  });

  it('a pattern that matches nothing is a missing file, exit 5', async () => {
    const { code, stdout, stderr } = await mmdeploy(['estimate', '*.nope', '--model', 'gpt-4o']);
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
    expect(stderr).toContain('no file matches the pattern: *.nope');
  });

  it('a folder that nobody may write to is not a bug of ours', async () => {
    // A file in the way of the folder: nobody may write below it, not even root.
    const XDG_CACHE_HOME = join(process.cwd(), 'package.json', 'cache');
    const { code, stderr } = await mmdeploy(['demo'], { extraEnv: { XDG_CACHE_HOME } });
    expect(code).toBe(1);
    expect(stderr).not.toMatch(/bug/);
    expect(stderr).toMatch(/XDG_CACHE_HOME/);
  });

  it('`--verbose` names each program in one line, on stderr', async () => {
    const { stdout, stderr } = await mmdeploy(['doctor', '--verbose', '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'mmdeploy.machine/v1' });
    const lines = stderr.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/^trace: .*\(\w.*, \d+ ms\)$/);
  });

  it('keeps every help line within 80 columns', async () => {
    const { stdout } = await mmdeploy(['--help']);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name ?? '');
    expect(commands).toEqual(
      expect.arrayContaining(['demo', 'doctor', 'plan', 'estimate', 'serve', 'ask', 'engine']),
    );
    for (const command of commands) {
      const help = await mmdeploy([command, '--help']);
      expect(help.code).toBe(0);
      expect(Math.max(...help.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(
        80,
      );
    }
  });

  it('lists each command as the command describes itself', async () => {
    const list = (await mmdeploy(['--help'])).stdout;
    for (const [name, { args, summary }] of Object.entries(COMMANDS)) {
      const { stdout } = await mmdeploy([name, '--help']);
      const usage = args === null ? '[options] [command]' : ['[options]', ...args].join(' ');
      expect(stdout).toContain(`Usage: mmdeploy ${name} ${usage}\n`);
      const term = args === null ? name : `${name} ${usage}`;
      expect(list).toMatch(
        new RegExp(`^  ${term.replace(/[[\].*<>]/g, '\\$&')} +${summary.slice(0, 20)}`, 'm'),
      );
    }
  });

  it('never asks where nobody can answer', async () => {
    const { code, stderr } = await mmdeploy(['plan', '-i']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/needs a terminal/);
  });
});

describe('docs/cli.md', () => {
  it('is what the program says: `npm run build && npm run docs:cli` writes it', async () => {
    expect(readFileSync('docs/cli.md', 'utf8')).toBe(await cliReference());
  });
});
